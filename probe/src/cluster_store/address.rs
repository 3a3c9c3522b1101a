//! Where a cluster store is, and as whom it is asked.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use shared::id::StoreId;
use shared::report::StoreKind;
use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};

/// Where a store is: `etcd://10.0.0.1:2379,10.0.0.2:2379/prefix`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    pub kind: StoreKind,
    pub endpoints: BTreeSet<String>,
    /// Under which the engines keep their keys, without slashes at its ends; mostly empty.
    pub prefix: String,
}

impl Address {
    /// # Errors
    /// Where it is of no kind that there is, or names no host; in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let usage =
            || format!("'{text}' is no cluster store: use etcd://HOST:PORT, consul://HOST:PORT or zk://HOST:PORT");
        let (kind, rest) = text.split_once("://").ok_or_else(usage)?;
        let (kind, port) = match kind {
            "etcd" => (StoreKind::Etcd, 2379),
            "consul" => (StoreKind::Consul, 8500),
            "zk" => (StoreKind::ZooKeeper, 2181),
            _ => return Err(usage()),
        };
        let (hosts, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let with_port = |host: &str| match host.rsplit_once(':') {
            Some((_, digits)) if digits.parse::<u16>().is_ok() && !host.ends_with(']') => host.to_owned(),
            _ => format!("{host}:{port}"),
        };
        let hosts = hosts.split(',').map(str::trim).filter(|host| !host.is_empty());
        let endpoints: BTreeSet<String> = hosts.map(with_port).collect();
        let is_sound = |host: &String| !host.contains(char::is_whitespace) && !host.starts_with(':');
        if endpoints.is_empty() || !endpoints.iter().all(is_sound) || prefix.contains(char::is_whitespace) {
            return Err(usage());
        }
        Ok(Self { kind, endpoints, prefix: prefix.trim_matches('/').to_owned() })
    }

    pub(super) fn id(&self) -> StoreId {
        let scheme = match self.kind {
            StoreKind::Etcd => "etcd",
            StoreKind::Consul => "consul",
            StoreKind::ZooKeeper => "zk",
            StoreKind::Unknown => "store",
        };
        let hosts: Vec<&str> = self.endpoints.iter().map(String::as_str).collect();
        format!("{scheme}://{}", hosts.join(",")).into()
    }
}

/// As whom a store is asked, and whether over TLS. An engine does not tell what it was given for this.
#[derive(Clone, Default)]
pub struct Access {
    /// Consul's ACL token.
    pub token: Option<String>,
    /// etcd's basic authentication, ZooKeeper's `digest`.
    pub user: Option<User>,
    pub tls: Option<Tls>,
}

#[derive(Clone)]
pub struct User {
    pub name: String,
    pub password: String,
}

impl User {
    /// `NAME:PASSWORD`.
    ///
    /// # Errors
    /// Where there is no colon; in words, without the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (name, password) = text.split_once(':').ok_or("write NAME:PASSWORD")?;
        Ok(Self { name: name.to_owned(), password: password.to_owned() })
    }
}

/// Secrets stay out of logs.
impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let given = |given: bool| if given { "given" } else { "none" };
        f.debug_struct("Access")
            .field("token", &given(self.token.is_some()))
            .field("user", &given(self.user.is_some()))
            .field("tls", &given(self.tls.is_some()))
            .finish()
    }
}

/// Whom to believe and who to be over TLS, for calls by HTTP and for streams of another protocol.
#[derive(Clone)]
pub struct Tls {
    pub(super) http: TlsConfig,
    pub(super) stream: Arc<rustls::ClientConfig>,
}

impl Tls {
    /// With the authorities of a PEM file (else those that the world trusts), and with an own certificate and key.
    ///
    /// # Errors
    /// Where a file cannot be read, or holds no such thing; in words.
    pub fn of(authorities: Option<&Path>, own: Option<(&Path, &Path)>) -> Result<Self, String> {
        let mut http = TlsConfig::builder();
        let mut trusted = rustls::RootCertStore::empty();
        if let Some(file) = authorities {
            let certificates = certificates(file)?;
            http = http.root_certs(RootCerts::new_with_certs(&certificates));
            for certificate in certificates {
                let added = trusted.add(CertificateDer::from(certificate.der().to_vec()));
                added.map_err(|error| format!("{}: {error}", file.display()))?;
            }
        } else {
            trusted.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let stream = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let stream = stream.map_err(|error| error.to_string())?.with_root_certificates(trusted);
        let Some((certificate, key)) = own else {
            return Ok(Self { http: http.build(), stream: Arc::new(stream.with_no_client_auth()) });
        };
        let chain = certificates(certificate)?;
        let pem = read(key)?;
        let of_key = |error: String| format!("{}: no private key: {error}", key.display());
        let own = PrivateKey::from_pem(&pem).map_err(|error| of_key(error.to_string()))?;
        let der = PrivateKeyDer::try_from(own.der().to_vec()).map_err(|error| of_key(error.to_owned()))?;
        let ders = chain.iter().map(|one| CertificateDer::from(one.der().to_vec())).collect();
        let stream = stream.with_client_auth_cert(ders, der);
        let stream = stream.map_err(|error| format!("{}: {error}", certificate.display()))?;
        http = http.client_cert(Some(ClientCert::new_with_certs(&chain, own)));
        Ok(Self { http: http.build(), stream: Arc::new(stream) })
    }
}

fn read(file: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(file).map_err(|error| format!("{} cannot be read: {error}", file.display()))
}

fn certificates(file: &Path) -> Result<Vec<Certificate<'static>>, String> {
    let pem = read(file)?;
    let mut found = Vec::new();
    for item in parse_pem(&pem) {
        if let PemItem::Certificate(certificate) = item.map_err(|error| format!("{}: {error}", file.display()))? {
            found.push(certificate);
        }
    }
    if found.is_empty() {
        return Err(format!("{} holds no certificate", file.display()));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_named_as_engines_name_it() {
        for (text, id, prefix) in [
            ("etcd://10.0.0.2:2379,10.0.0.1:2379/own", "etcd://10.0.0.1:2379,10.0.0.2:2379", "own"),
            ("consul://10.77.0.1:8500", "consul://10.77.0.1:8500", ""),
            ("consul://store.example/", "consul://store.example:8500", ""),
            ("zk://a,b:2182,[fd00::1]/x/y/", "zk://[fd00::1]:2181,a:2181,b:2182", "x/y"),
        ] {
            let address = Address::parse(text).unwrap();
            assert_eq!((&*address.id().0, address.prefix.as_str()), (id, prefix), "{text}");
        }
        for wrong in ["", "etcd", "redis://a:1", "etcd://", "etcd:///path", "etcd://a b", "etcd://a/b c"] {
            assert!(Address::parse(wrong).unwrap_err().contains("etcd://HOST:PORT"), "{wrong}");
        }
    }

    #[test]
    fn what_is_no_certificate_is_told_by_its_file_and_secrets_are_not_told_at_all() {
        let missing = Tls::of(Some(Path::new("/nonexistent/ca.pem")), None).err().unwrap();
        assert!(missing.contains("/nonexistent/ca.pem"), "{missing}");
        let wrong = Tls::of(Some(Path::new("/proc/self/status")), None).err().unwrap();
        assert!(wrong.contains("holds no certificate"), "{wrong}");
        let user = User::parse("root:a:b").unwrap();
        assert_eq!((user.name.as_str(), user.password.as_str()), ("root", "a:b"));
        let access = Access { token: Some("secret".into()), user: Some(user), tls: None };
        assert_eq!(format!("{access:?}"), r#"Access { token: "given", user: "given", tls: "none" }"#);
    }
}
