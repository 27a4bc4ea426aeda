"""The same in Flask. provider_flask.py PORT"""

import logging
import sys

from flask import Flask, Response, request

app = Flask(__name__)
logging.getLogger("werkzeug").disabled = True


@app.route("/<path:path>", methods=["GET", "POST"])
def answer(path):
    target = request.full_path if request.query_string else request.path
    return Response(f"{request.method} {target} ".encode() + request.get_data(), mimetype="text/plain")


app.run("127.0.0.1", int(sys.argv[1]))
