from django.urls import include, path

app_name = "meetings"
# Each topic lists its own pages; names are unique over all topics.
urlpatterns = [
    path("", include("meetings.scheduling.urls")),
    path("", include("meetings.invitations.urls")),
    path("", include("meetings.live.urls")),
    path("", include("meetings.chat.urls")),
    path("", include("meetings.recordings.urls")),
    path("", include("meetings.minutes.urls")),
    path("", include("meetings.streams.urls")),
]
