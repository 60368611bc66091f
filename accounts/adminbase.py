"""What the admin pages of all apps share: read-only rows, audited changes, actions that ask first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import models, transaction
from django.db.models import QuerySet
from django.forms import BaseInlineFormSet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.audit import record
from accounts.models import User
from accounts.network import client_ip


def admin_user(request: HttpRequest) -> User:
    """The signed-in administrator; admin pages are reached by nobody else."""
    assert isinstance(request.user, User)
    return request.user


class NamedValuesFilter(admin.AllValuesFieldListFilter):
    """A choice for each value that occurs. The empty one has no name to show, so it is none."""

    def choices(self, changelist: Any) -> Iterator[Any]:
        return (choice for choice in super().choices(changelist) if choice["display"] != "")


class NamedFieldsFormSet(BaseInlineFormSet):
    """Rows of a table whose fields have names: Django puts them at the head of the column only."""

    def add_fields(self, form: Any, index: int | None) -> None:
        super().add_fields(form, index)
        for name, field in form.fields.items():
            field.widget.attrs.setdefault("aria-label", str(field.label or name))


class ReadOnlyMixin:
    """Rows that services write: to look at, never to change by hand."""

    def has_add_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False


class ReadOnlyAdmin(ReadOnlyMixin, admin.ModelAdmin):
    list_per_page = 50
    show_full_result_count = False


class ReadOnlyInline(ReadOnlyMixin, admin.TabularInline):
    extra = 0
    can_delete = False
    show_change_link = True


class AuditedAdmin(admin.ModelAdmin):
    """Changes made here leave an audit row, like those that services make. `audit_fields` are compared."""

    list_per_page = 50
    audit_fields: tuple[str, ...] = ()

    def _values(self, obj: models.Model | None) -> dict[str, Any]:
        if obj is None:
            return {}
        return {name: _plain(getattr(obj, name)) for name in self.audit_fields}

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        with transaction.atomic():
            stored = type(obj)._default_manager.filter(pk=obj.pk).first() if change else None
            before = self._values(stored)
            super().save_model(request, obj, form, change)
            verb = f"{obj._meta.model_name}.{'change' if change else 'add'}"
            self.audit(request, verb, obj, before=before, after=self._values(obj))

    def delete_model(self, request: HttpRequest, obj: models.Model) -> None:
        with transaction.atomic():
            self.audit(request, f"{obj._meta.model_name}.delete", obj, before=self._values(obj))
            super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        for obj in queryset:
            self.delete_model(request, obj)

    def audit(self, request: HttpRequest, verb: str, obj: models.Model, **changes: Any) -> None:
        record(verb, obj, user=admin_user(request), ip=client_ip(request), **changes)


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def confirmed_action(
    page: admin.ModelAdmin,
    request: HttpRequest,
    queryset: QuerySet[Any],
    *,
    action: str,
    title: str,
    text: str,
    button: str,
    do: Callable[[Any], object],
    done: Callable[[int], str],
) -> HttpResponse | None:
    """An admin action with consequences: asks first, then calls `do` for each row.

    Refusals and conflicts of single rows are told, the other rows are done all the same.
    """
    if request.POST.get("confirmed") != "yes":
        context = {
            **page.admin_site.each_context(request),
            "title": title,
            "text": text,
            "button": button,
            "objects": queryset[:50],
            "more": max(queryset.count() - 50, 0),
            "selected": request.POST.getlist(ACTION_CHECKBOX_NAME),
            "select_across": request.POST.get("select_across", "0"),
            "action": action,
            "action_checkbox_name": ACTION_CHECKBOX_NAME,
            "opts": page.opts,
        }
        return TemplateResponse(request, "admin/confirm_action.html", context)
    run_action(page, request, queryset, do=do, done=done)
    return None


def run_action(
    page: admin.ModelAdmin,
    request: HttpRequest,
    queryset: QuerySet[Any],
    *,
    do: Callable[[Any], object],
    done: Callable[[int], str],
) -> None:
    """`do` each row; False from it means that there was nothing to do."""
    count = 0
    for obj in queryset:
        try:
            if do(obj) is not False:
                count += 1
        except (PermissionDenied, ValidationError) as error:
            text = " ".join(error.messages) if isinstance(error, ValidationError) else str(error)
            page.message_user(request, f"{obj}: {text}", messages.ERROR)
    if count:
        page.message_user(request, done(count), messages.SUCCESS)


def link_to(url: str, text: object) -> SafeString:
    return format_html('<a href="{}">{}</a>', url, text)
