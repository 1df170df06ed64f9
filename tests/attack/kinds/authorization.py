"""The addresses of OAuth, by those who have no client and no code."""

from tests.attack.forms import asked


def cases():
    form = {
        "auth": "none",
        "content_type": "application/x-www-form-urlencoded",
        "method": "POST",
        "path": "/oauth/token",
    }
    assertion = (
        "client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer&client_assertion="
    )
    for body in (
        "",
        "grant_type=client_credentials",
        "grant_type=refresh_token&refresh_token={REFRESH}",
        "grant_type=authorization_code&code=x",
        "grant_type=urn:ietf:params:oauth:grant-type:token-exchange&subject_token={VALID}",
        "grant_type=implicit",
        "grant_type=client_credentials&client_id=admin&client_secret=admin",
        "grant_type=client_credentials&" + assertion + "{VALID}",
        "grant_type=client_credentials&" + assertion + "eyJhbGciOiJub25lIn0.eyJpc3MiOiJhcHAifQ.",
        "a=1&" * 500,
        "%ff=%ff",
        "grant_type=client_credentials&grant_type=password",
        "grant_type=" + "a" * 40_000,
        assertion + "..",
        assertion + "a.b.c.d.e",
    ):
        yield form | {"expect": "refused", "status": [400, 401, 413], "body": body}
    yield form | {"expect": "refused", "body": "{}", "content_type": "application/json"}
    yield asked("/oauth/token?grant_type=client_credentials", auth="none")
    yield form | {"path": "/oauth/introspect", "body": "token={VALID}", "expect": "refused", "status": [401]}
    yield form | {"path": "/oauth/revoke", "body": "token={VALID}", "expect": "refused", "status": [401]}
    asking = "/oauth/authorize?response_type=code&client_id={CLIENT}&redirect_uri="
    for target in (
        "http://evil.example",
        "//evil.example",
        "{REDIRECT}@evil.example",
        "{REDIRECT}#x",
        "{REDIRECT}%0d%0aX:y",
        "data:text/html,x",
    ):
        yield asked(asking + target, auth="none", never_in_answer=["location"])
