"""The administration of people."""

from __future__ import annotations

from typing import Any

from allauth.account.models import EmailAddress
from axes.handlers.proxy import AxesProxyHandler
from django import forms
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.forms import AdminUserCreationForm, UserChangeForm
from django.contrib.auth.models import Group
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from accounts.adminbase import AuditedAdmin, NamedFieldsFormSet, ReadOnlyAdmin, link_to, run_action
from accounts.forms import NameField, ZoneField
from accounts.models import AuditEntry, ClassGroup, ClassMembership, Department, User
from accounts.services import trust_address

admin.site.site_header = gettext_lazy("Plenum administration")
admin.site.site_title = gettext_lazy("Plenum administration")
admin.site.index_title = gettext_lazy("What is there")
# Rights come from the role of a person alone, so groups would do nothing.
admin.site.unregister(Group)


class PersonCreationForm(AdminUserCreationForm):
    name = NameField()

    class Meta:
        model = User
        fields = ("email", "name", "role", "department", "language", "time_zone")

    def clean_email(self) -> str:
        email = self.cleaned_data["email"].strip().lower()
        if User.objects.filter(email=email).exists():
            raise forms.ValidationError(_("Somebody has this address already."))
        return str(email)


class PersonChangeForm(UserChangeForm):
    name = NameField()
    time_zone = ZoneField(required=False)

    class Meta:
        model = User
        fields = ("email", "name", "role", "department", "language", "time_zone", "is_active")

    def clean_email(self) -> str:
        email = self.cleaned_data["email"].strip().lower()
        if User.objects.filter(email=email).exclude(pk=self.instance.pk).exists():
            raise forms.ValidationError(_("Somebody has this address already."))
        return str(email)

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or self.cleaned_data
        stays = data.get("role") == User.Role.ADMIN and data.get("is_active")
        others = User.objects.filter(role=User.Role.ADMIN, is_active=True).exclude(pk=self.instance.pk)
        was = User.objects.filter(pk=self.instance.pk, role=User.Role.ADMIN, is_active=True).exists()
        if was and not stays and not others.exists():
            raise forms.ValidationError(
                _("This is the last active administrator. Make somebody else one first.")
            )
        return data


class MembershipInline(admin.TabularInline):
    model = ClassMembership
    formset = NamedFieldsFormSet
    extra = 0
    autocomplete_fields = ("class_group", "user")


@admin.register(User)
class PersonAdmin(AuditedAdmin, DjangoUserAdmin):
    form = PersonChangeForm
    add_form = PersonCreationForm
    audit_fields = ("email", "name", "role", "department", "language", "time_zone", "is_active")
    list_display = ("email", "name", "role", "department", "is_active", "last_login", "date_joined")
    list_display_links = ("email", "name")
    list_filter = ("role", "is_active", "department", "language")
    list_select_related = ("department",)
    search_fields = ("email", "name")
    search_help_text = gettext_lazy("Search by name or e-mail")
    date_hierarchy = "date_joined"
    ordering = ("name", "email")
    autocomplete_fields = ("department",)
    filter_horizontal = ()
    readonly_fields = ("last_login", "date_joined")
    inlines = (MembershipInline,)
    actions = ("unlock_sign_in",)
    fieldsets = (
        (None, {"fields": ("email", "name", "password")}),
        (gettext_lazy("Place"), {"fields": ("role", "department", "is_active")}),
        (gettext_lazy("Preferences"), {"fields": ("language", "time_zone")}),
        (gettext_lazy("Dates"), {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = (
        (None, {"fields": ("email", "name", "usable_password", "password1", "password2")}),
        (gettext_lazy("Place"), {"fields": ("role", "department")}),
        (gettext_lazy("Preferences"), {"fields": ("language", "time_zone")}),
    )

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        return self.inlines if obj is not None else ()

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        # An administrator vouches for the address; former ones no longer sign in.
        if not change or "email" in form.changed_data:
            EmailAddress.objects.filter(user=obj).exclude(email=obj.email).delete()
            trust_address(obj)

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        if isinstance(obj, User) and "password" in str(message).lower():
            self.audit(request, "user.password", obj)
        return super().log_change(request, obj, message)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # Nobody deletes themselves; people who organised meetings are protected by the database.
        return super().has_delete_permission(request, obj) and (obj is None or obj.pk != request.user.pk)

    @admin.action(description=gettext_lazy("Unlock sign-in after too many attempts"))
    def unlock_sign_in(self, request: HttpRequest, queryset: QuerySet[User]) -> HttpResponse | None:
        def unlock(user: User) -> bool:
            if not AxesProxyHandler.reset_attempts(username=user.email):
                return False
            self.audit(request, "user.unlock", user)
            return True

        def done(count: int) -> str:
            return ngettext(
                "%(count)d person can sign in again.", "%(count)d people can sign in again.", count
            ) % {"count": count}

        run_action(self, request, queryset, do=unlock, done=done)
        return None


class ClassInline(admin.TabularInline):
    model = ClassGroup
    formset = NamedFieldsFormSet
    extra = 0
    fields = ("name",)
    show_change_link = True


class DepartmentInline(admin.TabularInline):
    model = Department
    formset = NamedFieldsFormSet
    extra = 0
    fields = ("name",)
    verbose_name_plural = gettext_lazy("parts of this department")
    show_change_link = True


@admin.register(Department)
class DepartmentAdmin(AuditedAdmin):
    audit_fields = ("name", "parent")
    list_display = ("name", "parent", "people_count", "class_count")
    list_filter = (("parent", admin.RelatedOnlyFieldListFilter),)
    list_select_related = ("parent",)
    search_fields = ("name",)
    autocomplete_fields = ("parent",)
    inlines = (DepartmentInline, ClassInline)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Department]:
        counts = {
            "number_of_people": Count("people", distinct=True),
            "number_of_classes": Count("classes", distinct=True),
        }
        return super().get_queryset(request).annotate(**counts)

    @admin.display(description=gettext_lazy("people"), ordering="number_of_people")
    def people_count(self, obj: Any) -> SafeString:
        url = f"{reverse('admin:accounts_user_changelist')}?department__id__exact={obj.pk}"
        return link_to(url, obj.number_of_people)

    @admin.display(description=gettext_lazy("classes"), ordering="number_of_classes")
    def class_count(self, obj: Any) -> int:
        return int(obj.number_of_classes)


@admin.register(ClassGroup)
class ClassGroupAdmin(AuditedAdmin):
    audit_fields = ("name", "department")
    list_display = ("name", "department", "teachers", "students")
    list_filter = ("department",)
    list_select_related = ("department",)
    search_fields = ("name",)
    autocomplete_fields = ("department",)
    inlines = (MembershipInline,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[ClassGroup]:
        role = ClassMembership.Role
        return (
            super()
            .get_queryset(request)
            .annotate(
                teacher_count=Count("memberships", filter=Q(memberships__role=role.TEACHER)),
                student_count=Count("memberships", filter=Q(memberships__role=role.STUDENT)),
            )
        )

    @admin.display(description=gettext_lazy("teachers"), ordering="teacher_count")
    def teachers(self, obj: Any) -> int:
        return int(obj.teacher_count)

    @admin.display(description=gettext_lazy("students"), ordering="student_count")
    def students(self, obj: Any) -> int:
        return int(obj.student_count)


@admin.register(ClassMembership)
class ClassMembershipAdmin(AuditedAdmin):
    audit_fields = ("class_group", "user", "role")
    list_display = ("user", "class_group", "role")
    list_filter = ("role", "class_group")
    list_select_related = ("user", "class_group")
    search_fields = ("user__name", "user__email", "class_group__name")
    autocomplete_fields = ("user", "class_group")


class AuditVerbFilter(admin.SimpleListFilter):
    """By the kind of thing done: "meeting.…", "recording.…"."""

    title = gettext_lazy("area")
    parameter_name = "area"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        verbs = AuditEntry.objects.order_by().values_list("verb", flat=True).distinct()
        areas = sorted({verb.split(".", 1)[0] for verb in verbs})
        return [(area, area) for area in areas]

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
        return queryset.filter(verb__startswith=f"{self.value()}.") if self.value() else queryset


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    list_display = ("time", "actor_label", "verb", "target_label", "target_type", "ip")
    list_display_links = ("time",)
    list_filter = (AuditVerbFilter, "target_type")
    list_select_related = ("actor",)
    search_fields = ("actor_label", "verb", "target_label", "target_id", "ip")
    date_hierarchy = "at"
    fields = (
        "at",
        "actor",
        "actor_label",
        "ip",
        "verb",
        "target_type",
        "target_id",
        "target_label",
        "changes",
    )

    @admin.display(description=gettext_lazy("time"), ordering="at")
    def time(self, obj: AuditEntry) -> str:
        return f"{timezone.localtime(obj.at):%Y-%m-%d %H:%M:%S}"
