"""Records meetings: journals every track as it arrives, composes one MP4 afterwards.

Nothing here knows Django or the meetings it records. The modules are imported by name, so that the
recording worker does not load the codecs which only the composition needs.
"""
