//! The types of the C API: opaque handles, and the layouts of what futures give out.
//!
//! Invariant: sizes and alignments are the header's, whose key types are packed to four bytes; the tests below check.

use std::ffi::{c_int, c_uchar, c_void};

pub type fdb_error_t = c_int;
pub type fdb_bool_t = c_int;

macro_rules! opaque {
    ($($tag:ident $name:ident;)*) => {
        $(
            /// Known by pointer only.
            #[repr(C)]
            #[derive(Debug)]
            pub struct $tag {
                _private: [u8; 0],
            }
            pub type $name = $tag;
        )*
    };
}

opaque! {
    FDB_future FDBFuture;
    FDB_result FDBResult;
    FDB_cluster FDBCluster;
    FDB_database FDBDatabase;
    FDB_tenant FDBTenant;
    FDB_transaction FDBTransaction;
}

/// Called once a future is ready, by the network thread or by whoever set the callback.
pub type FDBCallback = Option<unsafe extern "C" fn(future: *mut FDBFuture, callback_parameter: *mut c_void)>;

#[repr(C, packed(4))]
#[derive(Clone, Copy, Debug)]
pub struct FDBKey {
    pub key: *const u8,
    pub key_length: c_int,
}

#[repr(C, packed(4))]
#[derive(Clone, Copy, Debug)]
pub struct FDBKeyValue {
    pub key: *const u8,
    pub key_length: c_int,
    pub value: *const u8,
    pub value_length: c_int,
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct FDBKeySelector {
    pub key: FDBKey,
    pub orEqual: fdb_bool_t,
    pub offset: c_int,
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct FDBGetRangeReqAndResult {
    pub begin: FDBKeySelector,
    pub end: FDBKeySelector,
    pub data: *mut FDBKeyValue,
    pub m_size: c_int,
    pub m_capacity: c_int,
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct FDBMappedKeyValue {
    pub key: FDBKey,
    pub value: FDBKey,
    pub getRange: FDBGetRangeReqAndResult,
    pub buffer: [c_uchar; 32],
}

#[cfg(all(test, target_pointer_width = "64"))]
mod tests {
    use std::mem::{align_of, size_of};

    use super::*;

    #[test]
    fn layouts_are_the_headers() {
        assert_eq!((size_of::<FDBKey>(), align_of::<FDBKey>()), (12, 4));
        assert_eq!((size_of::<FDBKeyValue>(), align_of::<FDBKeyValue>()), (24, 4));
        assert_eq!(size_of::<FDBKeySelector>(), 20);
        assert_eq!(size_of::<FDBMappedKeyValue>(), 112);
    }
}
