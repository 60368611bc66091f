from django.urls import URLPattern, path

from meetings.streams import http, pages, player, whep, whip


def either(route: str, view: http.View, name: str) -> list[URLPattern]:
    """Encoders take an address as people typed it, with or without the last slash: no redirect of a POST."""
    return [path(f"{route}/", view, name=name), path(route, view)]


urlpatterns = [
    *either("whip/<str:code>", whip.whip_endpoint, "whip"),
    path("meetings/<int:pk>/streams/", pages.streams, name="streams"),
    path("meetings/<int:pk>/streams/<int:key>/revoke/", pages.stream_key_revoke, name="stream_key_revoke"),
    path("m/<str:code>/play/", player.player, name="player"),
    *either("whip/resource/<str:ident>", whip.session_resource, "whip_resource"),
    *either("whep/<str:code>", whep.whep_endpoint, "whep"),
    *either("whep/resource/<str:ident>", whip.session_resource, "whep_resource"),
]
