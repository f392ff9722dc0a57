//! Contents of files, and how forms bring them.

use super::{Actor, Answer};
use reqwest::{
    Method,
    blocking::multipart::{Form, Part},
};

/// A PNG of 3 by 2 pixels with a comment.
pub fn png(comment: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    let chunks: [(&[u8; 4], &[u8]); 3] =
        [(b"IHDR", &[0, 0, 0, 3, 0, 0, 0, 2, 8, 2, 0, 0, 0]), (b"tEXt", comment), (b"IEND", &[])];
    for (kind, data) in chunks {
        bytes.extend_from_slice(&u32::try_from(data.len()).unwrap().to_be_bytes());
        bytes.extend_from_slice(kind);
        bytes.extend_from_slice(data);
        bytes.extend_from_slice(&[0; 4]);
    }
    bytes
}

pub const GIF: &[u8] = b"GIF89a\x05\0\x04\0\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\x05\0\x04\0\0\x02\x02L\x01\0;";

impl Actor {
    /// Uploads a file by form.
    pub fn upload(&self, name: &str, content: &[u8]) -> Answer {
        self.upload_with(Form::new().part("file", Part::bytes(content.to_vec()).file_name(name.to_owned())))
    }

    pub fn upload_to(&self, entity: &str, name: &str, content: &[u8]) -> Answer {
        let part = Part::bytes(content.to_vec()).file_name(name.to_owned());
        self.upload_with(Form::new().text("entity_id", entity.to_owned()).part("file", part))
    }

    pub fn upload_with(&self, form: Form) -> Answer {
        self.send(self.request(Method::POST, "/files").multipart(form))
    }

    /// Uploads a form that is written by hand.
    pub fn upload_raw(&self, boundary: &str, body: impl Into<Vec<u8>>) -> Answer {
        let request = self.request(Method::POST, "/files");
        let kind = format!("multipart/form-data; boundary={boundary}");
        self.send(request.header("content-type", kind).body(body.into()))
    }

    /// The bytes behind an address.
    pub fn bytes(&self, path: &str) -> Vec<u8> {
        let response = self.request(Method::GET, path).send().expect("an answer");
        assert!(response.status().is_success(), "{path}: {}", response.status());
        response.bytes().expect("a body").to_vec()
    }
}
