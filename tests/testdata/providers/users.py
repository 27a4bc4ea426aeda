"""An HTTP/JSON service in Flask, as one that has never heard of Motan. users.py PORT"""

import logging
import sys

from flask import Flask, jsonify, request

app = Flask(__name__)
logging.getLogger("werkzeug").disabled = True
users = {7: {"id": 7, "name": "Ada", "admin": True, "score": 1.5, "tags": ["x", "y"], "boss": None}}


@app.get("/users/<int:user>")
def get(user):
    if user not in users:
        return jsonify(error="no such user"), 404
    return jsonify(users[user])


@app.get("/users")
def find():
    limit = request.args.get("limit", type=int)
    return jsonify([u for u in users.values() if u["name"] == request.args["name"]][:limit])


@app.post("/users")
def add():
    body = request.get_json()
    user = max(users) + 1
    users[user] = {"id": user, **body, "request": request.headers.get("X-Request-Id")}
    return jsonify(user)


@app.put("/users/<int:user>")
def replace(user):
    users[user] = request.get_json()
    return "", 204


@app.get("/users-count")
def count():
    return jsonify(len(users))


@app.post("/rpc/<path:method>")
def other(method):
    return jsonify({"method": method, "arguments": request.get_json(silent=True)})


app.run("127.0.0.1", int(sys.argv[1]))
