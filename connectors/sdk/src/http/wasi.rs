//! The way out over wasi:http. Its error codes are sorted here by one question: had the request
//! left?

use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    ErrorCode, Fields, IncomingBody, Method, OutgoingBody, OutgoingRequest, Scheme,
};
use wasip2::io::streams::StreamError;

use super::failure::Transport;
use super::{RESPONSE_BYTES_MAX, Response, Wire};

/// wasi:io takes at most this much in one blocking write.
const WRITE_BYTES: usize = 4096;
const READ_BYTES: u64 = 64 * 1024;

pub(super) fn exchange(wire: &Wire) -> Result<Response, Transport> {
    let headers = Fields::new();
    for (name, value) in wire.headers {
        headers
            .append(name, value.as_bytes())
            .map_err(|error| Transport::Denied(format!("header `{name}`: {error:?}")))?;
    }
    if !wire.body.is_empty() {
        let length = wire.body.len().to_string();
        // The host may set it itself; then this is one header that it does not need.
        let _ = headers.append("content-length", length.as_bytes());
    }
    let request = OutgoingRequest::new(headers);
    let method = match wire.method {
        "GET" => Method::Get,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "PATCH" => Method::Patch,
        "DELETE" => Method::Delete,
        other => Method::Other(other.to_owned()),
    };
    request
        .set_method(&method)
        .and_then(|()| request.set_scheme(Some(&Scheme::Http)))
        .and_then(|()| request.set_authority(Some(wire.authority)))
        .and_then(|()| request.set_path_with_query(Some(wire.path)))
        .map_err(|()| Transport::Denied("not a valid method, upstream name or path".into()))?;
    let outgoing = request.body().map_err(|()| Transport::NotSent("no body".into()))?;

    let pending = outgoing_handler::handle(request, None).map_err(sort)?;
    let sent = write(outgoing, wire.body);
    let incoming = loop {
        match pending.get() {
            // An answer before the whole body was taken is still an answer.
            Some(Ok(Ok(response))) => break response,
            Some(Ok(Err(error))) => return Err(sort(error)),
            Some(Err(())) => return Err(Transport::Cut("the answer was taken already".into())),
            None => {
                sent.clone()?;
                pending.subscribe().block();
            }
        }
    };

    let status = incoming.status();
    let headers = incoming
        .headers()
        .entries()
        .into_iter()
        .map(|(name, value)| (name.to_lowercase(), String::from_utf8_lossy(&value).into_owned()))
        .collect();
    let body = incoming.consume().map_err(|()| Transport::Cut("no body in the answer".into()))?;
    Ok(Response::new(status, headers, read(body)?))
}

fn write(outgoing: OutgoingBody, bytes: &[u8]) -> Result<(), Transport> {
    if !bytes.is_empty() {
        let stream =
            outgoing.write().map_err(|()| Transport::Cut("the body cannot be written".into()))?;
        for chunk in bytes.chunks(WRITE_BYTES) {
            stream.blocking_write_and_flush(chunk).map_err(|error| {
                Transport::Cut(format!("cut while sending the body: {}", reason(error)))
            })?;
        }
    }
    OutgoingBody::finish(outgoing, None).map_err(sort)
}

fn read(body: IncomingBody) -> Result<Vec<u8>, Transport> {
    let stream = body.stream().map_err(|()| Transport::Cut("the body cannot be read".into()))?;
    let mut bytes = Vec::new();
    loop {
        match stream.blocking_read(READ_BYTES) {
            Ok(chunk) => bytes.extend_from_slice(&chunk),
            Err(StreamError::Closed) => return Ok(bytes),
            Err(error) => {
                return Err(Transport::Cut(format!("cut in the answer: {}", reason(error))));
            }
        }
        if bytes.len() > RESPONSE_BYTES_MAX {
            return Err(Transport::TooLarge(format!("more than {RESPONSE_BYTES_MAX} bytes")));
        }
    }
}

fn reason(error: StreamError) -> String {
    match error {
        StreamError::Closed => "closed".to_owned(),
        StreamError::LastOperationFailed(error) => error.to_debug_string(),
    }
}

fn sort(error: ErrorCode) -> Transport {
    let why = format!("{error:?}").replace("ErrorCode::", "");
    match error {
        ErrorCode::DnsTimeout
        | ErrorCode::DnsError(_)
        | ErrorCode::DestinationNotFound
        | ErrorCode::DestinationUnavailable
        | ErrorCode::DestinationIpUnroutable
        | ErrorCode::ConnectionRefused
        // The time-out of connecting; those of reading and writing have codes of their own.
        | ErrorCode::ConnectionTimeout
        | ErrorCode::ConnectionLimitReached
        | ErrorCode::TlsProtocolError
        | ErrorCode::TlsCertificateError
        | ErrorCode::TlsAlertReceived(_) => Transport::NotSent(why),
        ErrorCode::DestinationIpProhibited
        | ErrorCode::HttpRequestDenied
        | ErrorCode::HttpRequestLengthRequired
        | ErrorCode::HttpRequestBodySize(_)
        | ErrorCode::HttpRequestMethodInvalid
        | ErrorCode::HttpRequestUriInvalid
        | ErrorCode::HttpRequestUriTooLong
        | ErrorCode::HttpRequestHeaderSectionSize(_)
        | ErrorCode::HttpRequestHeaderSize(_)
        | ErrorCode::HttpRequestTrailerSectionSize(_)
        | ErrorCode::HttpRequestTrailerSize(_)
        | ErrorCode::LoopDetected
        | ErrorCode::ConfigurationError => Transport::Denied(why),
        ErrorCode::HttpResponseBodySize(_) => Transport::TooLarge(why),
        _ => Transport::Cut(why),
    }
}
