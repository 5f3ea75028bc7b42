//! Item sizes by DynamoDB's rule, which bounds items (400 KB), pages (1 MB) and capacity units.
//!
//! Source: Amazon DynamoDB Developer Guide, "DynamoDB item sizes and formats".
