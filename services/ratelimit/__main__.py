"""``python -m services.ratelimit``"""

from libs.common.app import run

if __name__ == "__main__":
    run("services.ratelimit.service")
