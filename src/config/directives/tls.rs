//! Directives of TLS, kept so that existing files load.

use crate::config::directive::directives;
use crate::config::value::{INT_MAX, OneOf, Text, YesNo, integer};

const PLAIN: &str = "TLS is not supported yet: connections are not encrypted";

directives! {
    /// Encrypted connections.
    pub struct Tls as tls, "TLS" {
        /// Port for encrypted connections.
        tls_port: u16 = 0 => integer(0, 65535), inert(PLAIN);
        /// Certificate of the server.
        tls_cert_file: String = String::new() => Text, inert(PLAIN);
        /// Its private key.
        tls_key_file: String = String::new() => Text, inert(PLAIN);
        /// Password of that key.
        tls_key_file_pass: String = String::new() => Text, sensitive, inert(PLAIN);
        /// Certificate for outgoing connections.
        tls_client_cert_file: String = String::new() => Text, inert(PLAIN);
        /// Its private key.
        tls_client_key_file: String = String::new() => Text, inert(PLAIN);
        /// Password of that key.
        tls_client_key_file_pass: String = String::new() => Text, sensitive, inert(PLAIN);
        /// Parameters of the Diffie-Hellman exchange.
        tls_dh_params_file: String = String::new() => Text, inert(PLAIN);
        /// Authorities that are trusted, as a file.
        tls_ca_cert_file: String = String::new() => Text, inert(PLAIN);
        /// Authorities that are trusted, as a folder.
        tls_ca_cert_dir: String = String::new() => Text, inert(PLAIN);
        /// Whether clients show certificates.
        tls_auth_clients: &'static str = "yes" => OneOf(&["no", "yes", "optional"]), inert(PLAIN);
        /// Encrypt replication.
        tls_replication: bool = false => YesNo, inert(PLAIN);
        /// Encrypt the cluster bus.
        tls_cluster: bool = false => YesNo, inert(PLAIN);
        /// Versions of TLS.
        tls_protocols: String = String::new() => Text, inert(PLAIN);
        /// Ciphers up to TLS 1.2.
        tls_ciphers: String = String::new() => Text, inert(PLAIN);
        /// Ciphers of TLS 1.3.
        tls_ciphersuites: String = String::new() => Text, inert(PLAIN);
        /// Let the server choose the cipher.
        tls_prefer_server_ciphers: bool = false => YesNo, inert(PLAIN);
        /// Keep sessions.
        tls_session_caching: bool = true => YesNo, inert(PLAIN);
        /// Sessions kept.
        tls_session_cache_size: u32 = 20 * 1024 => integer(0, INT_MAX), inert(PLAIN);
        /// Seconds for which they are kept.
        tls_session_cache_timeout: u32 = 300 => integer(0, INT_MAX), inert(PLAIN);
    }
}
