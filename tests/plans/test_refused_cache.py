"""A cache or CDN that refuses: named before or during the deployment, and nothing of it stays."""

from cartctl.adapters.redis import RedisCache
from tests.adapters.test_redis_cluster import server
from tests.plans.test_lifecycle import Cli, cli  # noqa: F401 - the fixture
from tests.web import Reply, WebRequest, serve


def refuse(_: WebRequest) -> Reply:
    """What a CDN answers to a token without the permission."""
    return Reply({"success": False, "errors": [{"code": 9109, "message": "Unauthorized"}]}, 403)


def test_a_cdn_that_answers_403_reverts_the_deployment(cli: Cli) -> None:  # noqa: F811
    """Exit code 4 with the status; images, replicas and maintenance are as before."""
    with serve(refuse) as web:
        config = cli.sandbox.layout.config
        purge = f'\n[env.sandbox.cache.cdn]\nkind = "http"\nurl = "{web.url}/purge"\n'
        config.write_text(config.read_text(encoding="utf-8") + purge, encoding="utf-8")
        code, report = cli.run("deploy", "--yes")
    assert (code, report["outcome"]) == (4, "rolled_back"), report["message"]
    assert "HTTP 403" in report["message"]
    assert web.paths()
    assert set(web.paths()) == {"/purge"}
    assert set(cli.images().values()) == {"1.0.0"}
    assert "MAINTENANCE" not in cli.sandbox.cluster.settings("cart-runtime")


def test_a_read_only_replica_fails_the_preflight(cli: Cli) -> None:  # noqa: F811
    """Exit code 7 and 3, the server's word and the hint; no key is removed and nothing is deployed."""
    with server() as primary, server("--port", "PORT", "--replicaof", f"127.0.0.1 {primary}") as replica:
        config = cli.sandbox.layout.config
        cache = f'\n[env.sandbox.cache]\nredis = "redis://127.0.0.1:{replica}"\nkeys = ["cart:*"]\n'
        config.write_text(config.read_text(encoding="utf-8") + cache, encoding="utf-8")
        code, checks = cli.run("preflight", "--only", "redis")
        [result] = checks["checks"]
        assert (code, result["verdict"]) == (7, "fail")
        assert "read only replica" in result["observed"]
        assert result["hint"] == "cache.redis must name the primary."
        code, report = cli.run("deploy", "--yes")
        assert (code, report["outcome"]) == (3, "failed"), report
        assert RedisCache(f"redis://127.0.0.1:{replica}").count("*") == 0
    assert set(cli.images().values()) == {"1.0.0"}
