"""What the real hooks give their drivers, a JSON line for each connection.

`--cases N --seed S [--client KIND]` makes connections; `--answer` reads lines as `examples/client_params` does.
The drivers' connect calls are patched to record their arguments; nothing is sent.
Needs the providers named at the head of each file in `src/clients/`; that of Snowflake wants an environment of its own.
"""

import argparse
import base64
import json
import os
import random
import sys
import tempfile
import unittest.mock as mock
import warnings

FOLDER = os.path.dirname(os.path.abspath(__file__))
HOME = tempfile.mkdtemp()
for name in list(os.environ):
    if name.startswith(("AWS_", "PG", "AIRFLOW", "GOOGLE_", "AZURE_", "SNOWFLAKE")) or name.lower().endswith("_proxy"):
        del os.environ[name]
os.environ.update(HOME=HOME, AIRFLOW_HOME=HOME, LOGNAME="tester", USER="tester", AIRFLOW__LOGGING__LOGGING_LEVEL="CRITICAL")
os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = "sqlite:///" + HOME + "/a.db"
warnings.simplefilter("ignore")
os.chdir(HOME)

import logging  # noqa: E402

from airflow.models import Connection as CoreConnection  # noqa: E402
from airflow.sdk import Connection as SdkConnection  # noqa: E402

logging.disable(logging.CRITICAL)


class Recorded(Exception):
    def __init__(self, params):
        self.params = params


def record(**more):
    def connect(*args, **kwargs):
        raise Recorded({**more, **kwargs})
    return connect


def connection(case):
    sdk = case.get("dialect") == "task-sdk"
    if "uri" in case:
        if sdk:
            return SdkConnection.from_uri(case["uri"], conn_id="conn")
        return CoreConnection(conn_id="conn", uri=case["uri"])
    if sdk:
        return SdkConnection.from_json(case["json"], conn_id="conn")
    return CoreConnection.from_json(case["json"], conn_id="conn")


def hook_of(cls, conn, *args, **kwargs):
    with mock.patch.object(cls, "get_connection", return_value=conn):
        yield cls(*args, **kwargs)


def postgres(conn, case):
    from airflow.providers.postgres.hooks import postgres as module
    from airflow.providers.amazon.aws.hooks import base_aws
    iam = {}

    def token(self, c):
        """The hook's own rules for the arguments, with a client that records them."""
        class Client:
            def __init__(self, aws_conn_id=None, client_type=None):
                iam.update(aws_conn_id=aws_conn_id, service=client_type)
                self.conn = self

            def get_conn(self):
                return self

            def generate_db_auth_token(self, host, port, user):
                iam.update(service="rds", host=host, port=port, user=user)
                return "TOKEN"

            def get_cluster_credentials(self, DbUser, DbName, ClusterIdentifier, AutoCreate):
                iam.update(cluster_identifier=ClusterIdentifier, user=DbUser, dbname=DbName, port=c.port or 5439)
                return {"DbPassword": "TOKEN", "DbUser": DbUser}

            def get_credentials(self, dbName, workgroupName):
                iam.update(workgroup_name=workgroupName, dbname=dbName, port=c.port or 5439)
                return {"dbPassword": "TOKEN", "dbUser": c.login}

        if c.extra_dejson.get("azure_conn_id"):
            iam.update(azure_conn_id=c.extra_dejson["azure_conn_id"], service="azure")
            return c.login, "TOKEN", c.port or 5432
        with mock.patch.object(base_aws, "AwsBaseHook", Client):
            return type(self).get_aws_iam_token(self, c)

    def create(self, conn_args):
        conn_args = dict(conn_args)
        conn_args.pop("row_factory", None) if conn.extra_dejson.get("cursor") else None
        raise Recorded(conn_args)

    cls = module.PostgresHook
    with mock.patch.object(cls, "get_iam_token", token), mock.patch.object(cls, "_create_connection", create), \
            mock.patch.object(cls, "get_connection", return_value=conn):
        try:
            cls(postgres_conn_id="conn").get_conn()
        except Recorded as found:
            params = found.params
    if iam:
        if params.get("password") == "TOKEN":
            params.pop("password")
        params["iam"] = iam
    driver = None
    try:
        import psycopg
        text = psycopg.conninfo.make_conninfo("", **{k: v for k, v in params.items() if k not in PSYCOPG and k != "iam"})
        with psycopg.connect(text, host="127.0.0.1", hostaddr="", port=1, connect_timeout=2):
            pass
    except Exception as error:
        if not (type(error).__name__ == "OperationalError" and "onnection refused" in str(error)):
            driver = type(error).__name__
    return params, driver


PSYCOPG = {"autocommit", "prepare_threshold", "context", "row_factory", "cursor_factory"}


def mysql(conn, case):
    import MySQLdb
    from airflow.providers.mysql.hooks.mysql import MySqlHook
    sys.modules.setdefault("mysql", mock.MagicMock())
    sys.modules.setdefault("mysql.connector", sys.modules["mysql"].connector)
    iam = {}

    def token(self, c):
        port = 3306 if c.port is None else c.port
        iam.update(aws_conn_id=c.extra_dejson.get("aws_conn_id", "aws_default"), service="rds", host=c.host, port=port,
                   user=c.login)
        return "TOKEN", port

    with mock.patch.object(MySqlHook, "get_connection", return_value=conn), \
            mock.patch.object(MySqlHook, "get_iam_token", token), \
            mock.patch.object(MySQLdb, "connect", record()), \
            mock.patch("mysql.connector.connect", record()):
        try:
            MySqlHook(mysql_conn_id="conn").get_conn()
        except Recorded as found:
            params = found.params
    if iam:
        params.pop("passwd")
        params["iam"] = iam
    if "cursorclass" in params:
        params["cursorclass"] = params["cursorclass"].__name__
    return params, None


def http(conn, case):
    from airflow.providers.http.hooks.http import HttpHook
    import requests
    with mock.patch.object(HttpHook, "get_connection", return_value=conn):
        hook = HttpHook(method="GET", http_conn_id="conn")
        session = hook.get_conn()
    own = requests.Session().headers
    given = dict(conn.extra_dejson) if conn.extra else {}
    merged = hook.merged_extra
    headers = {name: value for name, value in session.headers.items()
               if name in given or own.get(name) is None or own.get(name) != value}
    params = {
        "base_url": hook.base_url, "headers": headers, "stream": session.stream, "cert": session.cert,
        "proxies": session.proxies or None, "timeout": merged.get("timeout"), "verify": session.verify,
        "allow_redirects": merged.get("allow_redirects", True), "max_redirects": session.max_redirects,
        "trust_env": session.trust_env, "check_response": merged.get("check_response", True),
        "srv_lookup": hook._srv_lookup_enabled,
    }
    if session.auth:
        params.update(login=session.auth.username, password=session.auth.password)
    driver = None
    try:
        url = hook.url_from_endpoint("x") if not hook._srv_lookup_enabled else "http://h/x"
        session.prepare_request(requests.Request("GET", url))
    except Exception as error:
        driver = type(error).__name__
    return params, driver


def redis(conn, case):
    from airflow.providers.redis.hooks import redis as module
    with mock.patch.object(module.RedisHook, "get_connection", return_value=conn), \
            mock.patch.object(module, "Redis", record(cluster=False)), \
            mock.patch.object(module, "RedisCluster", record(cluster=True)):
        try:
            module.RedisHook("conn").get_conn()
        except Recorded as found:
            params = found.params
    for name in ("driver_info", "lib_name"):
        params.pop(name, None)
    if "startup_nodes" in params:
        params["startup_nodes"] = [f"{node.host}:{node.port}" for node in params["startup_nodes"]]
    driver = "TypeError" if params.get("port") is None and not params.get("cluster") else None
    return params, driver


def kafka(conn, case):
    from airflow.providers.apache.kafka.hooks.base import KafkaBaseHook
    # Getting tokens from a managed cluster's cloud is for the caller.
    google = mock.patch("airflow.providers.google.cloud.hooks.managed_kafka.ManagedKafkaHook")
    amazon = mock.patch.dict(sys.modules, aws_msk_iam_sasl_signer=mock.MagicMock())
    with mock.patch.object(KafkaBaseHook, "get_connection", return_value=conn), google, amazon:
        config = KafkaBaseHook("conn")._build_config()
    config = {name: value for name, value in config.items() if not callable(value)}
    driver = None
    try:
        import confluent_kafka
        confluent_kafka.Producer(config, logger=logging.getLogger("kafka"))
    except Exception as error:
        driver = type(error).__name__
    return config, driver


def aws(conn, case):
    import boto3
    import botocore.session
    from airflow.providers.amazon.aws.hooks import base_aws
    out, sts, driver = {}, {}, None
    case = {"service": "s3", **case}

    class Session:
        region_name = None

        def __init__(self, **kwargs):
            self.kwargs = kwargs
            self.region_name = kwargs.get("region_name")
            if "botocore_session" not in kwargs:
                out.update(kwargs)

        def client(self, service_name, **kwargs):
            if service_name == "sts" and not out.get("_client"):
                sts.update(kwargs)
                sts_client = mock.MagicMock()

                def assume(**kw):
                    role = kw.pop("RoleArn")
                    out.update(role_arn=role, assume_role_kwargs=kw, assume_role_method="assume_role")
                    raise Assumed
                sts_client.assume_role = assume
                return sts_client
            raise Recorded({"service_name": service_name, **kwargs})

    class Assumed(Exception):
        pass

    def finish(hook):
        wrapper = hook.conn_config
        config = (wrapper.extra_config.get("config_kwargs") or None)
        params = dict(wrapper.session_kwargs)
        service = case.get("service", "s3")
        params.update(service_name=service, endpoint_url=wrapper.get_service_endpoint_url(service), verify=wrapper.verify,
                      config_kwargs=config, service_config=None)
        return params

    with mock.patch.object(base_aws.AwsBaseHook, "get_connection", return_value=conn), \
            mock.patch.object(boto3.session, "Session", Session):
        hook = base_aws.AwsBaseHook(aws_conn_id="conn", client_type=case.get("service", "s3"))
        wrapper = hook.conn_config
        params = finish(hook)
        if wrapper.role_arn:
            factory = base_aws.SessionFactory(conn=wrapper, region_name=wrapper.region_name, config=hook.config)
            params.update(role_arn=wrapper.role_arn, assume_role_method=wrapper.assume_role_method)
            params["sts_endpoint_url"] = wrapper.get_service_endpoint_url("sts", sts_connection_assume=True)
            if wrapper.assume_role_method == "assume_role":
                try:
                    factory._refresh_credentials()
                except Assumed:
                    params["assume_role_kwargs"] = out["assume_role_kwargs"]
            elif wrapper.assume_role_method == "assume_role_with_web_identity":
                files = []
                with mock.patch("botocore.credentials.FileWebIdentityTokenLoader", lambda path: files.append(path)), \
                        mock.patch("airflow.providers.google.common.utils.id_token_credentials.get_default_id_token_credentials",
                                   lambda target_audience=None: params.update(web_identity_audience=target_audience)):
                    factory._get_web_identity_credential_fetcher()
                params["web_identity_token_file"] = files[0] if files else None
                params["assume_role_kwargs"] = wrapper.assume_role_kwargs
            else:
                sts_client = mock.MagicMock()
                with mock.patch.object(factory, "_fetch_saml_assertion_using_http_spegno_auth", lambda config: "SAML"):
                    factory._assume_role_with_saml(sts_client)
                given = sts_client.assume_role_with_saml.call_args.kwargs
                own = ("RoleArn", "PrincipalArn", "SAMLAssertion")
                params["assume_role_kwargs"] = {name: value for name, value in given.items() if name not in own}
        else:
            try:
                hook.get_client_type(region_name=wrapper.region_name)
            except Recorded:
                pass
        params["service_config"] = hook.service_config or None
    return params, driver


def google(conn, case):
    from airflow.providers.google.cloud.utils import credentials_provider as module
    from airflow.providers.google.common.hooks import base_google
    provider = module._CredentialProvider
    kind = {}
    fake = mock.MagicMock()

    def using(name, field=None, check=None):
        def get(self):
            if check:
                check(self)
            kind["credentials"] = name
            if field:
                kind[field] = getattr(self, field)
            return fake, "their-project"
        return get

    def key_path(self):
        if self.key_path.endswith(".p12") or not self.key_path.endswith(".json"):
            raise ValueError

    def keyfile(self):
        self.keyfile_dict["private_key"] = self.keyfile_dict["private_key"].replace("\\n", "\n")
        import google.oauth2.service_account as sa
        made = sa.Credentials.from_service_account_info(self.keyfile_dict, scopes=self.scopes)
        kind["own_project"] = made.project_id
        try:
            made.sign_bytes(b"")
        except Exception as error:
            kind["driver_error"] = type(error).__name__

    def secret(self):
        if not module._SecretManagerClient.is_valid_secret_name(self.key_secret_name):
            raise ValueError

    def supplier(self):
        if not self.credential_config_file:
            raise ValueError
        module._get_info_from_credential_configuration_file(self.credential_config_file)
        kind["credentials"] = "credential_config_file"
        for field in ("credential_config_file", "idp_issuer_url", "client_id", "client_secret"):
            kind[field] = getattr(self, field)
        return fake, "their-project"

    impersonated = {}

    def impersonate(source_credentials, target_principal, delegates, target_scopes):
        impersonated.update(target_principal=target_principal, delegates=delegates)
        return fake

    with mock.patch.object(base_google.GoogleBaseHook, "get_connection", return_value=conn), \
            mock.patch.multiple(
                provider,
                _get_credentials_using_key_path=using("key_path", "key_path", key_path),
                _get_credentials_using_key_secret_name=using("key_secret_name", "key_secret_name", secret),
                _get_credentials_using_keyfile_dict=using("keyfile_dict", "keyfile_dict", keyfile),
                _get_credentials_using_credential_config_file=using("credential_config_file", "credential_config_file"),
                _get_credentials_using_credential_config_file_and_token_supplier=supplier,
                _get_credentials_using_adc=using("default")), \
            mock.patch.object(module, "AnonymousCredentials", lambda: kind.update(credentials="is_anonymous") or fake), \
            mock.patch.object(module.impersonated_credentials, "Credentials", impersonate):
        hook = base_google.GoogleBaseHook(gcp_conn_id="conn")
        retries = hook.num_retries
        scopes = list(hook.scopes)
        _, project = hook.get_credentials_and_project_id()
    own_project, driver = kind.pop("own_project", None), kind.pop("driver_error", None)
    if project == "their-project":
        project = own_project
    params = {**kind, **impersonated, "num_retries": retries, "scopes": scopes}
    if kind["credentials"] == "is_anonymous":
        params["is_anonymous"] = hook._get_field("is_anonymous")
    if fake.with_quota_project.called:
        params["quota_project_id"] = fake.with_quota_project.call_args.args[0]
    params["project"] = project if project not in ("their-project", "") else None
    return params, driver


def azure_blob(conn, case):
    from airflow.providers.microsoft.azure.hooks import wasb as module

    class Client:
        def __init__(self, **kwargs):
            raise Recorded(kwargs)

        @staticmethod
        def from_connection_string(conn_str, credential=None, **kwargs):
            raise Recorded({**kwargs, "connection_string": conn_str, "credential": credential})

    real = module.ClientSecretCredential

    def secret(**kwargs):
        real(**kwargs)
        return {"client_secret": kwargs}

    class Sas(dict):
        def __init__(self, token):
            super().__init__(sas_token=token)

    def default(managed_identity_client_id=None, workload_identity_tenant_id=None):
        both = managed_identity_client_id and workload_identity_tenant_id
        return {"default": {"managed_identity_client_id": managed_identity_client_id,
                            "workload_identity_tenant_id": workload_identity_tenant_id} if both else {}}

    with mock.patch.object(module.WasbHook, "get_connection", return_value=conn), \
            mock.patch.object(module, "BlobServiceClient", Client), \
            mock.patch.object(module, "ClientSecretCredential", secret), \
            mock.patch.object(module, "AzureSasCredential", Sas), \
            mock.patch.object(module, "get_sync_default_azure_credential", default):
        try:
            module.WasbHook("conn").get_conn()
        except Recorded as found:
            params = found.params
    credential = params.get("credential")
    if credential is not None and not isinstance(credential, dict):
        params["credential"] = {"account_key": credential}
    tenant = (credential or {}).get("client_secret", {}).get("tenant_id", "") if isinstance(credential, dict) else ""
    return params, None if isinstance(tenant, str) else "TypeError"


def ssh(conn, case):
    import paramiko
    from airflow.providers.ssh.hooks import ssh as module
    client = mock.MagicMock()
    policy = ["RejectPolicy"]
    client.set_missing_host_key_policy = lambda p: policy.append(getattr(p, "__name__", type(p).__name__))
    params = {}
    client.connect = lambda **kwargs: params.update(kwargs)
    with mock.patch.object(module.SSHHook, "get_connection", return_value=conn), \
            mock.patch.object(paramiko, "SSHClient", lambda: client):
        hook = module.SSHHook(ssh_conn_id="conn")
        hook.get_conn()
    params.update(missing_host_key_policy=policy[-1], no_host_key_check=hook.no_host_key_check,
                  allow_host_key_change=hook.allow_host_key_change, ciphers=hook.ciphers, cmd_timeout=hook.cmd_timeout)
    if not params.get("ciphers"):
        params.pop("ciphers")
    for name in ("pkey", "host_key"):
        key = params.get(name) if name == "pkey" else hook.host_key
        if key is not None:
            params[name] = {"type": key.get_name(), "public": key.get_base64()}
    return params, None


def snowflake(conn, case):
    from airflow.providers.snowflake.hooks import snowflake as module
    hook_type = module.SnowflakeHook
    oauth = {}

    def token(self, **kwargs):
        def request(self, *, url, data, client_id, client_secret):
            oauth.update(url=url, data=data, client_id=client_id, client_secret=client_secret)
            answer = mock.MagicMock()
            answer.json.return_value = {"access_token": "TOKEN", "expires_in": 600}
            return answer
        with mock.patch.object(module._SnowflakeOAuthManager, "request_oauth_token", request):
            return real(self, **kwargs)

    real = module._SnowflakeOAuthManager.get_valid_oauth_token
    with mock.patch.object(hook_type, "get_connection", return_value=conn), \
            mock.patch.object(module._SnowflakeOAuthManager, "get_valid_oauth_token", token), \
            mock.patch.object(hook_type, "get_azure_oauth_token",
                              lambda self, azure_conn_id: oauth.update(azure_conn_id=azure_conn_id) or "TOKEN"):
        params = dict(hook_type(snowflake_conn_id="conn")._get_conn_params())
    if oauth:
        params.pop("token")
        params["oauth"] = oauth
    driver = None
    if "private_key" in params:
        from cryptography.hazmat.primitives import serialization
        key = serialization.load_der_private_key(params["private_key"], None)
        # The connector signs with RSA alone.
        driver = None if type(key).__name__ == "RSAPrivateKey" else "ProgrammingError"
        params["private_key"] = {"base64": base64.b64encode(params["private_key"]).decode()}
    return params, driver


CLIENTS = {f.__name__: f for f in (postgres, mysql, http, aws, google, azure_blob, snowflake, redis, ssh, kafka)}


def without_nulls(value):
    return {k: v for k, v in value.items() if v is not None}


def answer(case):
    try:
        conn = connection(case)
        params, driver = CLIENTS[case["client"]](conn, case)
        out = {"params": without_nulls(params)}
        if driver:
            out["driver_error"] = driver
        json.dumps(out)
        return out
    except Exception as error:
        if os.environ.get("TRACE_CLIENTS"):
            import traceback
            traceback.print_exc()
        return {"error": type(error).__name__}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--client", action="append")
    parser.add_argument("--cases", type=int, default=150)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--answer", action="store_true")
    args = parser.parse_args()
    if args.answer:
        cases = (json.loads(line) for line in sys.stdin if line.strip())
        cases = (case.get("in", case) for case in cases)
        cases = (case for case in cases if not args.client or case["client"] in args.client)
    else:
        sys.path.insert(0, FOLDER)
        from clients_cases import cases_of
        kinds = args.client or [kind for kind in CLIENTS if kind != "snowflake"]
        cases = (case for kind in kinds for case in cases_of(kind, args.cases, random.Random(f"{kind}{args.seed}")))
    for case in cases:
        print(json.dumps({"in": case, "out": answer(case)}, sort_keys=True, ensure_ascii=False), flush=True)


if __name__ == "__main__":
    main()
