from django.urls import URLPattern, path

from meetings.minutes import views

urlpatterns: list[URLPattern] = [
    path("minutes/", views.minutes_list, name="minutes_list"),
    path("minutes/<int:pk>/", views.minutes_detail, name="minutes_detail"),
    path("minutes/<int:pk>/edit/", views.minutes_edit, name="minutes_edit"),
    path("minutes/<int:pk>/approve/", views.minutes_approve, name="minutes_approve"),
    path("minutes/<int:pk>/reopen/", views.minutes_reopen, name="minutes_reopen"),
    path("actions/", views.action_list, name="action_list"),
    path("actions/<int:pk>/toggle/", views.action_toggle, name="action_toggle"),
]
