//! A certificate and its key, as they stand in PEM.

use rustls::{
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    sign::CertifiedKey,
};
use std::{fs, path::Path};

/// The chain and the key that belongs to it; else which of the two is wrong, and how.
pub fn read_certificate(chain: &[u8], key: &[u8]) -> Result<CertifiedKey, BadCertificate> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(chain)
        .collect::<Result<_, _>>()
        .map_err(|cause| BadCertificate::Chain(format!("is not a chain of certificates in PEM: {cause}")))?;
    if chain.is_empty() {
        return Err(BadCertificate::Chain("holds no certificate in PEM".to_owned()));
    }
    let key = PrivateKeyDer::from_pem_slice(key)
        .map_err(|cause| BadCertificate::Key(format!("is not a private key in PEM: {cause}")))?;
    CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider())
        .map_err(|cause| BadCertificate::Key(format!("does not go with tls.cert: {cause}")))
}

/// The same from files.
pub fn read_certificate_files(chain: &Path, key: &Path) -> Result<CertifiedKey, BadCertificate> {
    let read = |path: &Path| fs::read(path).map_err(|cause| format!("cannot be read: {cause}"));
    let chain = read(chain).map_err(BadCertificate::Chain)?;
    read_certificate(&chain, &read(key).map_err(BadCertificate::Key)?)
}

/// What is wrong, to follow the name of the key.
#[derive(Debug, thiserror::Error)]
pub enum BadCertificate {
    #[error("the certificate {0}")]
    Chain(String),
    #[error("the key {0}")]
    Key(String),
}
