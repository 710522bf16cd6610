//! LDAP and RADIUS servers with one user: `ann`, password `right`.

use std::process::Command;

use tempfile::TempDir;
use tokio::net::TcpStream;

use super::{
    ports::free_port,
    process::{Process, system_program},
};

/// `OpenLDAP`'s `slapd`.
pub(crate) struct Slapd {
    pub(crate) url: String,
    _process: Process,
    _folder: TempDir,
}

impl Slapd {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::create_dir(path("db")).unwrap();
        let configuration = format!(
            "include /etc/ldap/schema/core.schema\n\
             include /etc/ldap/schema/cosine.schema\n\
             include /etc/ldap/schema/inetorgperson.schema\n\
             modulepath /usr/lib/ldap\n\
             moduleload back_mdb\n\
             database mdb\n\
             suffix \"dc=example,dc=org\"\n\
             directory {}\n",
            path("db").display()
        );
        std::fs::write(path("slapd.conf"), configuration).unwrap();
        let people = "dn: dc=example,dc=org\nobjectClass: dcObject\nobjectClass: organization\n\
            dc: example\no: Example\n\n\
            dn: cn=ann,dc=example,dc=org\nobjectClass: inetOrgPerson\ncn: ann\nsn: Ann\n\
            userPassword: right\n";
        std::fs::write(path("people.ldif"), people).unwrap();
        let filled = Command::new(system_program("slapadd"))
            .current_dir(folder.path())
            .args(["-f", "slapd.conf", "-l", "people.ldif"])
            .output()
            .unwrap();
        assert!(filled.status.success(), "{filled:?}");
        let address = format!("127.0.0.1:{}", free_port());
        let url = format!("ldap://{address}");
        let arguments = ["-d", "0", "-f", "slapd.conf", "-h", &url];
        let process = Process::start(&system_program("slapd"), &arguments, folder.path());
        let listens = async || TcpStream::connect(&address).await.is_ok();
        process.until("slapd listens", listens).await;
        Self {
            url,
            _process: process,
            _folder: folder,
        }
    }
}

/// `FreeRADIUS`.
pub(crate) struct FreeRadius {
    pub(crate) port: u16,
    _process: Process,
    _folder: TempDir,
}

impl FreeRadius {
    /// The secret that it shares with its clients.
    pub(crate) const SECRET: &str = "shared";

    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let path = folder.path().display().to_string();
        let configuration = format!(
            "prefix = /usr\nexec_prefix = /usr\nname = radiusd\nlogdir = {path}\n\
             run_dir = {path}\nraddbdir = {path}\nlibdir = /usr/lib/freeradius\n\
             log {{\n destination = stdout\n}}\n\
             security {{\n allow_vulnerable_openssl = yes\n}}\n\
             client localhost {{\n ipaddr = 127.0.0.1\n secret = {}\n\
             require_message_authenticator = no\n}}\n\
             modules {{\n pap {{\n }}\n files {{\n usersfile = {path}/users\n }}\n}}\n\
             server default {{\n\
             listen {{\n type = auth\n ipaddr = 127.0.0.1\n port = {port}\n }}\n\
             authorize {{\n files\n pap\n }}\n\
             authenticate {{\n Auth-Type PAP {{\n pap\n }}\n }}\n}}\n",
            Self::SECRET
        );
        std::fs::write(folder.path().join("radiusd.conf"), configuration).unwrap();
        std::fs::write(
            folder.path().join("users"),
            "ann Cleartext-Password := \"right\"\n",
        )
        .unwrap();
        let arguments = ["-f", "-l", "stdout", "-d", &path, "-n", "radiusd"];
        let process = Process::start(&system_program("freeradius"), &arguments, folder.path());
        let is_ready = async || process.log().contains("Ready to process requests");
        process.until("FreeRADIUS is ready", is_ready).await;
        Self {
            port,
            _process: process,
            _folder: folder,
        }
    }
}
