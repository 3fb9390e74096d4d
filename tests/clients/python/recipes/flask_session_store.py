"""Flask keeps sessions in the cookie; with Flask-Session the cookie holds only an identifier and the server the data.

The application changes by two lines of configuration. Everything that `session` can hold (lists and dictionaries too) is then
kept in one key for each visitor, whose time to live is that of the session.
"""

from datetime import timedelta

from flask import Flask, redirect, request, session
from flask_session import Session

from driver import connect, equal, within

store = connect(decode_responses=False)  # Flask-Session writes its values as bytes.

app = Flask(__name__)
app.config.update(
    SESSION_TYPE="redis",
    SESSION_REDIS=store,
    PERMANENT_SESSION_LIFETIME=timedelta(hours=2),
)
Session(app)


@app.post("/login")
def login():
    session["user"] = request.form["user"]
    session["cart"] = []
    return redirect("/cart")


@app.post("/cart")
def add():
    session["cart"].append({"article": request.form["article"], "pieces": int(request.form["pieces"])})
    session.modified = True  # Flask does not look into the list.
    return "added"


@app.get("/cart")
def cart():
    return {"user": session.get("user"), "cart": session.get("cart")}


@app.post("/logout")
def logout():
    session.clear()
    return "good bye"


# Two browsers, each with cookies of its own.
ann, bob = app.test_client(), app.test_client()
equal(ann.get("/cart").json, {"user": None, "cart": None}, "a stranger's cart")

for browser, user in (ann, "ann"), (bob, "bob"):
    equal(browser.post("/login", data={"user": user}, follow_redirects=True).json, {"user": user, "cart": []}, "a new cart")
ann.post("/cart", data={"article": "apples", "pieces": "3"})
ann.post("/cart", data={"article": "Äpfel", "pieces": "1"})
bob.post("/cart", data={"article": "pears", "pieces": "2"})

apples = [{"article": "apples", "pieces": 3}, {"article": "Äpfel", "pieces": 1}]
equal(ann.get("/cart").json, {"user": "ann", "cart": apples}, "ann's cart")
equal(bob.get("/cart").json, {"user": "bob", "cart": [{"article": "pears", "pieces": 2}]}, "bob's cart")

# The data is on the server, under the cookie's identifier, and ends with the session.
keys = {f"session:{browser.get_cookie('session').value}".encode() for browser in (ann, bob)}
equal(set(store.scan_iter("session:*")), keys, "sessions in the store")
for key in keys:
    within(store.ttl(key), 7195, 7200, "a session's time to live")

# Logging out deletes the data, and a session that the server has forgotten is an empty one.
ann.post("/logout")
equal(store.exists(*keys), 1, "sessions after one has logged out")
equal(ann.get("/cart").json, {"user": None, "cart": None}, "the cart after logging out")
store.flushdb()
equal(bob.get("/cart").json, {"user": None, "cart": None}, "a forgotten cart")
