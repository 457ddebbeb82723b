"""Connections that go through here, and that can be cut off: nothing is refused, and nothing comes through."""
import socket
import threading
import time
from urllib.parse import urlsplit


class Relay:
    """Relays to any number of servers, all of which are cut off together."""

    def __init__(self):
        self.is_cut, self.ends, self.listeners = False, False, []
        # How often something came while all was cut off.
        self.held = 0

    def to(self, url):
        """The same URL by way of here."""
        of = urlsplit(url)
        listener = socket.create_server(("127.0.0.1", 0))
        self.listeners.append(listener)
        threading.Thread(target=self.accept, args=(listener, (of.hostname, of.port)), daemon=True).start()
        return of._replace(netloc=f"127.0.0.1:{listener.getsockname()[1]}").geturl()

    def accept(self, listener, server):
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self.connect, args=(near, server), daemon=True).start()

    def connect(self, near, server):
        self.wait()
        try:
            far = socket.create_connection(server)
        except OSError:
            return near.close()
        threading.Thread(target=self.pass_on, args=(far, near), daemon=True).start()
        self.pass_on(near, far)

    def pass_on(self, source, sink):
        try:
            while data := source.recv(65536):
                self.wait()
                sink.sendall(data)
            self.wait()
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            source.close()
            sink.close()

    def wait(self):
        self.held += self.is_cut
        while self.is_cut and not self.ends:
            time.sleep(0.02)

    def end(self):
        self.ends = True
        for listener in self.listeners:
            listener.close()
