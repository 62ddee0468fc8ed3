"""A client like the one of Center's ancestor: messages without delimiters, one write each.

ancestor_client.py PORT: sends each line of its standard input, without the line feed, at once.
"""
import socket
import sys


def main() -> None:
    with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for line in iter(sys.stdin.buffer.readline, b""):
            connection.sendall(line.rstrip(b"\n"))


if __name__ == "__main__":
    main()
