from django.urls import path

from meetings.invitations import mail_views, views

urlpatterns = [
    path("j/<str:token>/", views.personal_link, name="personal_link"),
    path("mail/", mail_views.mail_folder, name="mail_folder"),
    path("mail/<str:key>/", mail_views.mail_message, name="mail_message"),
    path("mail/<str:key>/html/", mail_views.mail_html, name="mail_html"),
    path("mail/<str:key>/parts/<int:number>/", mail_views.mail_part, name="mail_part"),
]
