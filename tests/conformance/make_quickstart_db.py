"""Write examples/quickstart/airflow.db: a metadata DB made by the real Airflow, small enough to ship.

Run with the Python of Airflow 3.3.2. The Fernet key is a published one, good for the demonstration
and for nothing else.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

# The base64 of "quickstart-demo-key-not-a-secret": 32 bytes that everybody knows.
FERNET_KEY = "cXVpY2tzdGFydC1kZW1vLWtleS1ub3QtYS1zZWNyZXQ="
TARGET = Path(__file__).resolve().parents[2] / "examples" / "quickstart" / "airflow.db"


def main():
    home = tempfile.mkdtemp(prefix="airflow-home-")
    database = Path(home) / "airflow.db"
    for name in [name for name in os.environ if name.startswith("AIRFLOW")]:
        del os.environ[name]
    os.environ.update(
        AIRFLOW_HOME=home,
        AIRFLOW__CORE__LOAD_EXAMPLES="False",
        AIRFLOW__CORE__FERNET_KEY=FERNET_KEY,
        AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=f"sqlite:///{database}",
    )
    subprocess.run([sys.executable, "-m", "airflow", "db", "migrate"], check=True)

    from airflow import settings
    from airflow.models import Connection, Variable

    session = settings.Session()
    session.add_all(
        [
            Connection(
                conn_id="warehouse",
                conn_type="postgres",
                description="The data warehouse",
                host="warehouse.example.com",
                login="loader",
                password="correct horse battery staple",
                schema="analytics",
                port=5432,
                extra='{"sslmode": "require", "connect_timeout": 10}',
            ),
            Connection(
                conn_id="object_store",
                conn_type="aws",
                login="AKIAEXAMPLE",
                password="example/secret+key",
                extra='{"region_name": "eu-central-1"}',
            ),
            Connection(conn_id="status_page", conn_type="http", host="https://status.example.com"),
            Variable(key="batch_size", val="500"),
            Variable(key="feature_flags", val='{"new_loader": true}'),
        ]
    )
    session.commit()
    session.close()
    settings.engine.dispose()

    TARGET.parent.mkdir(parents=True, exist_ok=True)
    with sqlite3.connect(database) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("VACUUM")
    connection.close()
    TARGET.write_bytes(database.read_bytes())
    print(f"{TARGET}: {TARGET.stat().st_size} bytes")


if __name__ == "__main__":
    main()
