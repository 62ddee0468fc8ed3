"""A small client of the Kubernetes API for tests: JSON over HTTP or HTTPS, nothing else."""
import http.client
import json
import ssl
import urllib.parse


class ApiError(Exception):
    def __init__(self, code, message):
        super().__init__(f"{code}: {message}")
        self.code = code


class Api:
    """Calls as one user. Each call has its own connection: the server may restart between them."""

    def __init__(self, host, port, ca_file, token, timeout=20):
        self.host, self.port, self.token, self.timeout = host, port, token, timeout
        self.context = None  # no ca_file: plain HTTP
        if ca_file:
            self.context = ssl.create_default_context(cafile=ca_file)
            self.context.check_hostname = False  # the address is loopback, the name is not

    def call(self, method, path, body=None, content_type="application/json", **query):
        if query:
            path += "?" + urllib.parse.urlencode(query)
        if self.context:
            connection = http.client.HTTPSConnection(
                self.host, self.port, timeout=self.timeout, context=self.context)
        else:
            connection = http.client.HTTPConnection(self.host, self.port, timeout=self.timeout)
        try:
            connection.request(
                method, path, None if body is None else json.dumps(body),
                {"Authorization": f"Bearer {self.token}", "Content-Type": content_type,
                 "Accept": "application/json"})
            answer = connection.getresponse()
            text = answer.read()
            warning = answer.getheader("Warning")
        except http.client.HTTPException as error:
            raise OSError(f"{method} {path}: the answer was cut off: {error!r}") from error
        finally:
            connection.close()
        value = json.loads(text) if text[:1] == b"{" else text.decode(errors="replace")
        if answer.status >= 300:
            message = value.get("message") if isinstance(value, dict) else value
            raise ApiError(answer.status, message)
        if warning and isinstance(value, dict):
            value.setdefault("metadata", {})["_warning"] = warning
        return value

    def get(self, path, **query):
        return self.call("GET", path, **query)

    def post(self, path, body, **query):
        return self.call("POST", path, body, **query)

    def patch(self, path, body, content_type="application/merge-patch+json", **query):
        return self.call("PATCH", path, body, content_type, **query)

    def delete(self, path, body=None):
        return self.call("DELETE", path, body)

    def put(self, path, body):
        return self.call("PUT", path, body)
