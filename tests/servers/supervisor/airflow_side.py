"""What the real Airflow does in these tests, by its first argument; a JSON object comes on stdin.

    prepare   Makes the metadata DB that the environment names, with these rows:
              {"connections": [{"conn_id": …, …}], "variables": [{"key": …, "val": …}],
               "tasks": [{"id": a UUID, "dag_id": …, "task_id": …, "queue": …}]}
    token     Prints a token for the task instance {"id": …}, signed with the environment's key.
    run       Runs the task {"id": …, "dag_id": …, "task_id": …, "queue": …, "dag": its file,
              "token": …, "server": …, "log": a file} as a worker does, and prints its exit code.
    state     Prints the state of the task instance {"id": …}.
"""

import json
import sys
import uuid
from datetime import UTC, datetime


def prepare(asked):
    from airflow.utils import db

    db.upgradedb()

    from airflow import settings
    from airflow.models import Connection, Variable
    from airflow.models.dag import DagModel
    from airflow.models.dag_version import DagVersion
    from airflow.models.dagbundle import DagBundleModel
    from airflow.models.dagrun import DagRun
    from airflow.models.taskinstance import TaskInstance
    from sqlalchemy import insert

    now = datetime.now(UTC)
    with settings.Session() as session:
        session.add_all(Connection(**row) for row in asked["connections"])
        session.add_all(Variable(**row) for row in asked["variables"])
        session.add(DagBundleModel(name="dags"))
        session.flush()
        for task in asked["tasks"]:
            dag_id, run_id = task["dag_id"], "run"
            session.add(
                DagModel(
                    dag_id=dag_id, bundle_name="dags", is_stale=False, max_active_tasks=1,
                    max_consecutive_failed_dag_runs=0, relative_fileloc="tasks.py",
                )
            )
            session.flush()
            version = DagVersion(dag_id=dag_id, version_number=1, bundle_name="dags")
            session.add(version)
            session.flush()
            session.execute(
                insert(DagRun.__table__).values(
                    dag_id=dag_id, run_id=run_id, state="running", run_type="manual", run_after=now,
                    logical_date=now, start_date=now, created_dag_version_id=version.id, clear_number=0,
                    span_status="not_started",
                )
            )
            session.execute(
                insert(TaskInstance.__table__).values(
                    id=uuid.UUID(task["id"]), task_id=task["task_id"], dag_id=dag_id, run_id=run_id,
                    map_index=-1, state="queued", try_number=1, max_tries=0, pool="default_pool",
                    pool_slots=1, queue=task["queue"], dag_version_id=version.id,
                    span_status="not_started",
                )
            )
        session.commit()


def token(asked):
    from airflow.api_fastapi.auth.tokens import JWTGenerator, get_signing_args
    from airflow.configuration import conf

    generator = JWTGenerator(
        valid_for=3600,
        audience=conf.get_mandatory_list_value("execution_api", "jwt_audience")[0],
        **get_signing_args(make_secret_key_if_needed=False),
    )
    print("answer:" + json.dumps(generator.generate({"sub": asked["id"]})))


def run(asked):
    from airflow.executors.workloads.base import BundleInfo
    from airflow.executors.workloads.task import TaskInstanceDTO
    from airflow.sdk.execution_time.supervisor import supervise_task
    from airflow.sdk.log import configure_logging

    # As a containerised executor has it: the task's log goes to standard output, too.
    configure_logging(output=sys.stdout.buffer, json_output=True)

    task = TaskInstanceDTO(
        id=asked["id"], dag_version_id=uuid.uuid4(), task_id=asked["task_id"], dag_id=asked["dag_id"],
        run_id="run", try_number=1, map_index=-1, pool_slots=1, queue=asked["queue"], priority_weight=1,
    )
    code = supervise_task(
        ti=task, bundle_info=BundleInfo(name="dags", version=None), dag_rel_path=asked["dag"],
        token=asked["token"], server=asked["server"], log_path=asked["log"],
        subprocess_logs_to_stdout=True,
    )
    sys.stdout.flush()
    print("answer:" + json.dumps(code))


def state(asked):
    from airflow import settings
    from airflow.models.taskinstance import TaskInstance
    from sqlalchemy import select

    with settings.Session() as session:
        wanted = select(TaskInstance.state).where(TaskInstance.id == uuid.UUID(asked["id"]))
        print("answer:" + json.dumps(session.execute(wanted).scalar_one()))


{"prepare": prepare, "token": token, "run": run, "state": state}[sys.argv[1]](json.load(sys.stdin))
