"""What schemathesis cannot make up: addresses of many clients, keys, and tokens and sessions that are good."""

import base64
import email
import email.policy
import itertools
import os
import pathlib
import re
import time

import requests
import schemathesis
from hypothesis import strategies as st

CLIENT, ADMIN, MAIL = os.environ["CLIENT"], os.environ["ADMIN"], pathlib.Path(os.environ["MAIL"])
PASSWORD = "Correct-Horse-7"
# A session lasts ten minutes, and three devices are registered in it.
SECONDS_PER_SESSION = 1
number = itertools.count()

schemathesis.openapi.format(
    "wireguard-key", st.binary(min_size=32, max_size=32).map(lambda key: base64.b64encode(key).decode())
)


def a_client():
    """The daemon trusts this one proxy: every request comes from somebody else, so that the limits of one address are not
    all there is to see."""
    count = next(number)
    return f"10.{count >> 16 & 255}.{count >> 8 & 255}.{count & 255}"


def post(path, body, cookies=None):
    answer = requests.post(CLIENT + path, json=body, cookies=cookies, headers={"X-Forwarded-For": a_client()}, timeout=30)
    answer.raise_for_status()
    return answer


def invited():
    """Somebody new; their name and their token."""
    name = f"guest-{next(number)}"
    guest = {"username": name, "first_name": "Guest", "last_name": "Guest", "email": f"{name}@example.com", "delivery": {}}
    answer = requests.post(ADMIN + "/users", json=guest, timeout=30)
    answer.raise_for_status()
    return name, answer.json()["token"]


def started(token):
    return post("/api/v1/enrollment/start", {"token": token}).cookies["defguard_proxy"]


def reset_token():
    """Of somebody who forgot their password: it is in the mail."""
    name, token = invited()
    post("/api/v1/enrollment/activate_user", {"password": PASSWORD}, {"defguard_proxy": started(token)})
    post("/api/v1/password-reset/request", {"email": f"{name}@example.com"})
    for _ in range(600):
        for path in MAIL.glob("*.eml"):
            mail = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
            if f"{name}@example.com" in mail["to"]:
                text = mail.get_body(("plain",)).get_content()
                found = re.search(r"password-reset\?token=([0-9A-Za-z]{32})", text)
                if found:
                    return found[1]
        time.sleep(0.05)
    raise AssertionError(f"no mail for {name}")


def furnish():
    """Whom schemathesis.toml knows; those who are still there are refused, and nobody else."""
    wanted = [("/groups", {"group": group}) for group in ("ops", "staff")]
    for name in ("ann", "ben", "eve"):
        guest = {"username": name, "first_name": "A", "last_name": "B", "email": f"{name}@example.com", "delivery": {}}
        wanted.append(("/users", {**guest, "groups": ["ops"]}))
    for name in ("printer", "camera"):
        wanted.append(("/devices", {"name": name, "location": "hq", "terms": {}}))
    hq = {"name": "hq", "endpoint": "vpn.example.com:51821", "keys": {"interface": "pst-hq", "ipv4": "10.77.1.0/24"}}
    lab = {"name": "lab", "endpoint": "vpn.example.com:51822", "keys": {"interface": "pst-lab", "ipv4": "10.77.2.0/24"}}
    for path, body in [("/locations", hq), ("/locations", lab), *wanted]:
        answer = requests.post(ADMIN + path, json=body, timeout=30)
        is_there = answer.status_code == 422 and re.search(r" already| is taken", answer.json()["error"])
        assert answer.ok or is_there, f"{path} {body}: {answer.status_code} {answer.text}"


@schemathesis.auth(refresh_interval=SECONDS_PER_SESSION).apply_to(path_regex="/enrollment/(?!start)")
class Enrolling:
    def get(self, case, context):
        return started(invited()[1])

    def set(self, case, data, context):
        case.cookies = {**(case.cookies or {}), "defguard_proxy": data}


@schemathesis.auth(refresh_interval=SECONDS_PER_SESSION).apply_to(path="/api/v1/password-reset/reset")
class Resetting:
    def get(self, case, context):
        answer = post("/api/v1/password-reset/start", {"token": reset_token()})
        return answer.cookies["defguard_proxy_password_reset"]

    def set(self, case, data, context):
        case.cookies = {**(case.cookies or {}), "defguard_proxy_password_reset": data}


@schemathesis.hook
def before_call(context, case, kwargs):
    """Every third token is a good one, and what was removed is there again."""
    if next(number) % 25 == 0:
        furnish()
    case.headers = {**(case.headers or {}), "X-Forwarded-For": a_client()}
    if isinstance(case.body, dict) and isinstance(case.body.get("token"), str) and next(number) % 3 == 0:
        if case.path == "/api/v1/enrollment/start":
            case.body["token"] = invited()[1]
        elif case.path == "/api/v1/password-reset/start":
            case.body["token"] = reset_token()
