"""One's own settings."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts.forms import SettingsForm
from accounts.models import ClassMembership
from accounts.network import client_ip
from accounts.services import change_own_settings


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def settings_page(request: HttpRequest) -> HttpResponse:
    """Name, language and time zone; shows department, classes and role, which others decide."""
    user: Any = request.user
    form = SettingsForm(request.POST or None, user=user)
    if request.method == "POST" and form.is_valid():
        change_own_settings(user, ip=client_ip(request), **form.cleaned_data)
        with translation.override(user.language):
            messages.success(request, _("Your settings are saved."))
        response = HttpResponseRedirect(reverse("accounts:settings"))
        # The language switch sets a cookie that would win over what was just chosen here.
        response.delete_cookie(settings.LANGUAGE_COOKIE_NAME, path=settings.LANGUAGE_COOKIE_PATH)
        return response
    memberships = (
        ClassMembership.objects.filter(user=user).select_related("class_group").order_by("class_group__name")
    )
    context = {"form": form, "memberships": memberships}
    return render(request, "accounts/settings.html", context, status=422 if form.errors else 200)
