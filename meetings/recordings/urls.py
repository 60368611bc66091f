from django.urls import URLPattern, path

from meetings.recordings import views

urlpatterns: list[URLPattern] = [
    path("recordings/", views.recording_list, name="recording_list"),
    path("recordings/<uuid:key>/", views.recording_detail, name="recording_detail"),
    path("recordings/<uuid:key>/state/", views.recording_state, name="recording_state"),
    path("recordings/<uuid:key>/video.mp4", views.recording_file, name="recording_file"),
    path("recordings/<uuid:key>/download/", views.recording_download, name="recording_download"),
    path("recordings/<uuid:key>/poster.jpg", views.recording_poster, name="recording_poster"),
    path("recordings/<uuid:key>/compose/", views.recording_compose, name="recording_compose"),
    path("recordings/<uuid:key>/delete/", views.recording_delete, name="recording_delete"),
]
