"""A bare ASGI application that reads a body and answers as many bytes as it was told to: the limit of any web server.

python bench/echo.py PORT ANSWER_BYTES
"""

import sys

import uvicorn

ANSWER = b""


async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    while True:
        message = await receive()
        if not message.get("more_body"):
            break
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json"),
                (b"content-length", str(len(ANSWER)).encode())]})  # fmt: skip
    await send({"type": "http.response.body", "body": ANSWER})


if __name__ == "__main__":
    ANSWER = b"x" * int(sys.argv[2])
    uvicorn.run(app, port=int(sys.argv[1]), loop="uvloop", http="httptools", log_level="error", access_log=False)
