"""Django's cache and sessions on django-redis: the framework's own interface, what the library adds, and a site with logins."""

from concurrent.futures import ThreadPoolExecutor

import django
from django.conf import settings
from django.http import JsonResponse
from django.urls import path

from driver import connect, equal, eventually, give_up_after, restart_server, url, within

give_up_after(120)


def django_redis(database, **options):
    return {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": url(database), "OPTIONS": options}


settings.configure(
    ALLOWED_HOSTS=["testserver"],
    CACHES={
        "default": django_redis(1),
        "compressed": django_redis(
            2,
            SERIALIZER="django_redis.serializers.json.JSONSerializer",
            COMPRESSOR="django_redis.compressors.zlib.ZlibCompressor",
        ),
        "own": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": url(3)},
    },
    MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="of the tests",
    SESSION_ENGINE="django.contrib.sessions.backends.cache",
    SESSION_COOKIE_AGE=3600,
)
django.setup()
from django.core.cache import cache, caches  # The settings are needed first.
from django.test import Client
from django.views.decorators.cache import cache_page

rendered = []


def visit(request):
    """Counts a visitor's visits."""
    request.session["visits"] = request.session.get("visits", 0) + 1
    return JsonResponse({"visits": request.session["visits"], "user": request.session.get("user")})


def login(request):
    request.session.cycle_key()
    request.session["user"] = request.GET["user"]
    return JsonResponse({})


def logout(request):
    request.session.flush()
    return JsonResponse({})


@cache_page(60)
def page(request):
    rendered.append(request.get_full_path())
    return JsonResponse({"rendered": len(rendered)})


urlpatterns = [path("visit", visit), path("login", login), path("logout", logout), path("page", page)]

# What every backend of Django's cache can.
for name in "default", "compressed", "own":
    backend = caches[name]
    backend.set("greeting", {"text": "hällo", "numbers": [1, 2.5, None]}, 300)
    equal(backend.get("greeting"), {"text": "hällo", "numbers": [1, 2.5, None]}, "a value")
    equal((backend.get("nosuch"), backend.get("nosuch", 7)), (None, 7), "a value that is not there")
    equal((backend.add("greeting", 1), backend.add("new", 1)), (False, True), "add")
    equal(backend.get_or_set("computed", lambda: 42), 42, "get_or_set")
    equal(backend.get_or_set("computed", lambda: 43), 42, "get_or_set of what is there")
    backend.set_many({"a": 1, "b": "x"})
    equal(backend.get_many(["a", "b", "nosuch"]), {"a": 1, "b": "x"}, "get_many")
    equal((backend.incr("a", 5), backend.decr("a", 2)), (6, 4), "incr and decr")
    try:
        backend.incr("nosuch")
    except ValueError:
        pass
    else:
        raise SystemExit("incr of what is not there worked")
    equal((backend.has_key("a"), backend.delete("a"), backend.delete("a"), "a" in backend), (True, True, False, False), "delete")
    equal((backend.touch("b", 100), backend.touch("nosuch", 100)), (True, False), "touch")
    backend.set("b", "second", version=2)
    equal((backend.get("b"), backend.get("b", version=2), backend.incr_version("b", 2)), ("x", "second", 3), "versions")
    backend.set("gone", 1, 0.05 if name != "own" else 1)
    eventually(lambda: backend.get("gone") is None, "the end of a value")
    backend.delete_many(["computed", "new"])
    equal(backend.get_many(["computed", "new", "greeting"]).keys(), {"greeting"}, "delete_many")

# What django-redis adds.
within(cache.ttl("greeting"), 290, 300, "ttl")
equal((cache.ttl("nosuch"), cache.persist("greeting"), cache.ttl("greeting")), (0, True, None), "persist")
equal((cache.expire("greeting", 10), cache.pttl("greeting") <= 10_000), (True, True), "expire")
cache.set_many({f"user:{number}": number for number in range(500)}, 600)
equal(sorted(cache.iter_keys("user:*")), sorted(f"user:{number}" for number in range(500)), "iter_keys")
equal(len(cache.keys("user:*9")), 50, "keys")
equal((cache.delete_pattern("user:*"), cache.keys("user:*")), (500, []), "delete_pattern")
equal((cache.set("once", 1, nx=True), cache.set("once", 2, nx=True), cache.get("once")), (True, False, 1), "set with nx")

# Many threads: one of them adds, all of them count, and one at a time holds the lock.
cache.set("count", 0)
held = []


def work(number):
    added = cache.add("first", number)
    for _ in range(25):
        cache.incr("count")
        with cache.lock("the lock", timeout=20, sleep=0.001):
            before = len(held)
            held.append(number)
            equal(len(held), before + 1, "who else holds the lock")
    return added


with ThreadPoolExecutor(8) as threads:
    equal(sorted(threads.map(work, range(8))), [False] * 7 + [True], "add by many")
equal((cache.get("count"), len(held)), (200, 200), "what many have counted")

# A page is made once for each address, while it is cached.
browser = Client()
for query in "?a=1", "?a=1", "?a=2", "?a=1":
    browser.get(f"/page{query}")
equal(rendered, ["/page?a=1", "/page?a=2"], "pages that were made")

# Sessions: everybody has their own, a login takes it to a new name, a logout ends it.
ann, bob = Client(), Client()
equal([browser.get("/visit").json()["visits"] for browser in (ann, ann, bob, ann)], [1, 2, 1, 3], "visits")
before = ann.cookies["sessionid"].value
ann.get("/login?user=ann")
equal(ann.get("/visit").json(), {"visits": 4, "user": "ann"}, "a session after login")
equal(ann.cookies["sessionid"].value == before, False, "the session keeps its name at login")
stored = connect(db=1)
names = [key for key in stored.scan_iter("*contrib.sessions.cache*")]
equal(sorted(key[-32:] for key in names), sorted(browser.cookies["sessionid"].value for browser in (ann, bob)), "the stored sessions")
for key in names:
    within(stored.ttl(key), 3590, 3600, "a session's time to live")
ann.get("/logout")
equal([browser.get("/visit").json() for browser in (ann, bob)], [{"visits": 1, "user": None}, {"visits": 2, "user": None}], "after logout")
people = [Client() for _ in range(20)]
with ThreadPoolExecutor(8) as threads:
    for visits in 1, 2, 3:
        equal([answer.json()["visits"] for answer in threads.map(lambda person: person.get("/visit"), people)], [visits] * 20, "visits of many")

restart_server()
equal((cache.get("count"), bob.get("/visit").json()["visits"]), (None, 1), "what a new server knows")
cache.clear()
equal(stored.dbsize(), 0, "keys after clear")
