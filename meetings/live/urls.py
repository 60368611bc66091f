from django.urls import path

from meetings.live import views

urlpatterns = [
    path("m/<str:code>/", views.room, name="room"),
    path("m/<str:code>/left/", views.room_left, name="room_left"),
]
