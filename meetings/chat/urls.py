from django.urls import path

from meetings.chat import views

urlpatterns = [
    path("m/<str:code>/files/", views.file_upload, name="file_upload"),
    path("files/<int:pk>/", views.file_download, name="file"),
]
