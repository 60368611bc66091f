from tests.meetings.scheduling.conftest import _mail_folder, sign_in, staff, staff_client, student

__all__ = ["_mail_folder", "sign_in", "staff", "staff_client", "student"]
