"""Makes a metadata DB with the real Airflow, for an API server to read: `airflow db migrate`, and the
rows that the JSON object on stdin describes. The environment says where the DB is.

    {"connections": [{"conn_id": …, "team_name": …, …}],
     "rows": [a connection as its row is, whatever Airflow would refuse],
     "variables": [{"key": …, "val": …, "team_name": …}],
     "tasks": [{"id": a UUID, "state": …, "team": a team or null}]}

Each task gets a DAG and a run of its own; teams are made as they are named."""

import json
import sys
import uuid
from datetime import UTC, datetime

from airflow.utils import db

db.upgradedb()

from airflow import settings
from airflow.models import Connection, Variable
from airflow.models.dag import DagModel
from airflow.models.dag_version import DagVersion
from airflow.models.dagbundle import DagBundleModel
from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from airflow.models.team import Team
from sqlalchemy import insert


def task(session, number, described):
    now = datetime.now(UTC)
    team, dag_id, run_id = described["team"], f"dag_{number}", "run"
    bundle = f"bundle_of_{team}"
    if not session.get(DagBundleModel, bundle):
        made = DagBundleModel(name=bundle)
        session.add(made)
        session.flush()
        if team:
            made.teams.append(session.get(Team, team))
            session.flush()
    session.add(DagModel(dag_id=dag_id, bundle_name=bundle, is_stale=False, max_active_tasks=1, max_consecutive_failed_dag_runs=0))
    session.flush()
    version = DagVersion(dag_id=dag_id, version_number=1, bundle_name=bundle)
    session.add(version)
    session.flush()
    session.execute(
        insert(DagRun.__table__).values(
            dag_id=dag_id, run_id=run_id, state="running", run_type="manual", run_after=now, logical_date=now,
            start_date=now, created_dag_version_id=version.id, clear_number=0, span_status="not_started",
        )
    )
    session.execute(
        insert(TaskInstance.__table__).values(
            id=uuid.UUID(described["id"]), task_id="task", dag_id=dag_id, run_id=run_id, map_index=-1,
            state=described["state"], try_number=1, max_tries=0, pool="default_pool", pool_slots=1,
            queue="default", dag_version_id=version.id, span_status="not_started",
        )
    )


rows = json.load(sys.stdin)
with settings.Session() as session:
    teams = {row.get("team_name") for row in rows["connections"] + rows["variables"]}
    teams |= {row["team"] for row in rows["tasks"]}
    session.add_all(Team(name=team) for team in teams if team)
    session.flush()
    session.add_all(Connection(**row) for row in rows["connections"])
    for row in rows["rows"]:
        session.execute(insert(Connection.__table__).values(**row))
    session.add_all(Variable(**row) for row in rows["variables"])
    for number, described in enumerate(rows["tasks"]):
        task(session, number, described)
    session.commit()
