"""As vault.py, with the provider's Google client taken to the server that
SECRET_MANAGER_EMULATOR_HOST names, over REST and without a token."""

import os
import runpy
from pathlib import Path

os.environ.setdefault("NO_GCE_CHECK", "true")

from airflow.providers.google.cloud._internal_client.secret_manager_client import _SecretManagerClient
from google.auth.credentials import AnonymousCredentials
from google.cloud.secretmanager_v1 import SecretManagerServiceClient

client = SecretManagerServiceClient(
    transport="rest",
    credentials=AnonymousCredentials(),
    client_options={"api_endpoint": "http://" + os.environ["SECRET_MANAGER_EMULATOR_HOST"]},
)
_SecretManagerClient.client = client

runpy.run_path(str(Path(__file__).with_name("vault.py")))
