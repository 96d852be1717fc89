"""The page of the course homework: count visits in Redis."""

from flask import Flask
from redis import Redis

app = Flask(__name__)
redis = Redis(host="redis", port=6379)


@app.route("/")
def hello() -> str:
    return f"Hello, World! I have been seen {redis.incr('hits')} times.\n"


if __name__ == "__main__":
    app.run(host="0.0.0.0", port=5000)
