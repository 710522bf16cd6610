"""Starts what its arguments name of Airflow, with an API server that denies ids which begin with FORBIDS.

Airflow 3.3 asks two functions whether a task may read an id, and both allow everything. They are replaced
here, in the place that Airflow's own comment names for it; what they raise is what earlier versions did."""

import os
import sys

from airflow.__main__ import main
from airflow.api_fastapi.execution_api.routes import connections, variables


async def may_read_connection(connection_id, token=None):
    import os

    from fastapi import HTTPException

    if connection_id.startswith(os.environ["FORBIDS"]):
        raise HTTPException(403, detail={"reason": "access_denied", "message": f"No access to {connection_id}"})
    return True


async def may_read_variable(request, variable_key, token=None):
    import os

    from fastapi import HTTPException

    if variable_key.startswith(os.environ["FORBIDS"]):
        raise HTTPException(403, detail={"reason": "access_denied", "message": f"No access to {variable_key}"})
    return True


assert os.environ["FORBIDS"]
connections.has_connection_access.__code__ = may_read_connection.__code__
variables.has_variable_access.__code__ = may_read_variable.__code__

if __name__ == "__main__":
    sys.exit(main())
