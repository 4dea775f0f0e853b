"""Before anything else starts in containers: makes the keys and secrets that nobody set, and migrates the database."""

from services.kit.keys import ensure_secrets
from services.kit.settings import Settings
from services.schema.migrate import migrate

if __name__ == "__main__":
    settings = Settings()
    ensure_secrets(settings)
    migrate(settings)
