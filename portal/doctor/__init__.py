"""`manage.py doctor`: looks at every part of an installation and says what to do.

A check is a function that yields `Finding`s; `runner.CHECKS` lists them. They change nothing.
"""
