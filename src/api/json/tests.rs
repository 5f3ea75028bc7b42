//! The JSON boundary: every operation's request is read, hostile bodies are errors, answers and errors are written.

use super::*;
use crate::api::get_item;
use crate::error::CancellationReason;
use crate::item::{AttributeValue, Number};

/// A request with every kind of member, for each operation that is implemented.
const REQUESTS: &[(&str, &str, &str)] = &[
    (
        "dynamodb",
        "BatchExecuteStatement",
        r#"{"Statements":[{"Statement":"SELECT * FROM t WHERE a = ?","Parameters":[{"S":"x"}],"ConsistentRead":true}]}"#,
    ),
    ("dynamodb", "BatchGetItem", r#"{"RequestItems":{"t":{"Keys":[{"a":{"S":"x"}}],"ConsistentRead":true}}}"#),
    (
        "dynamodb",
        "BatchWriteItem",
        r#"{"RequestItems":{"t":[{"PutRequest":{"Item":{"a":{"S":"x"}}}},{"DeleteRequest":{"Key":{"a":{"S":"y"}}}}]}}"#,
    ),
    ("dynamodb", "CreateBackup", r#"{"TableName":"t","BackupName":"b"}"#),
    ("dynamodb", "CancelBulkOperation", r#"{"BulkOperationArn":"a"}"#),
    ("dynamodb", "CreateGlobalTable", r#"{"GlobalTableName":"t","ReplicationGroup":[{"RegionName":"r"}]}"#),
    (
        "dynamodb",
        "CreateTable",
        r#"{"TableName":"t","AttributeDefinitions":[{"AttributeName":"a","AttributeType":"S"}],"KeySchema":[{"AttributeName":"a","KeyType":"HASH"}],
            "ProvisionedThroughput":{"ReadCapacityUnits":1,"WriteCapacityUnits":1},"SSESpecification":{"Enabled":true},"Tags":[{"Key":"k","Value":"v"}]}"#,
    ),
    ("dynamodb", "DeleteBackup", r#"{"BackupArn":"a"}"#),
    ("dynamodb", "DeleteItem", r#"{"TableName":"t","Key":{"a":{"S":"x"}},"Expected":{"b":{"Exists":false}}}"#),
    ("dynamodb", "DeleteTable", r#"{"TableName":"t"}"#),
    ("dynamodb", "DeleteResourcePolicy", r#"{"ResourceArn":"a","ExpectedRevisionId":"1"}"#),
    ("dynamodb", "DescribeBackup", r#"{"BackupArn":"a"}"#),
    ("dynamodb", "DescribeBulkOperation", r#"{"BulkOperationArn":"a"}"#),
    ("dynamodb", "DescribeContinuousBackups", r#"{"TableName":"t"}"#),
    ("dynamodb", "DescribeContributorInsights", r#"{"TableName":"t","IndexName":"i"}"#),
    ("dynamodb", "DescribeEndpoints", "{}"),
    ("dynamodb", "DescribeExport", r#"{"ExportArn":"a"}"#),
    ("dynamodb", "DescribeGlobalTable", r#"{"GlobalTableName":"t"}"#),
    ("dynamodb", "DescribeGlobalTableSettings", r#"{"GlobalTableName":"t"}"#),
    ("dynamodb", "DescribeImport", r#"{"ImportArn":"a"}"#),
    ("dynamodb", "DescribeKinesisStreamingDestination", r#"{"TableName":"t"}"#),
    ("dynamodb", "DescribeLimits", "{}"),
    ("dynamodb", "DescribeTable", r#"{"TableName":"t"}"#),
    ("dynamodb", "DescribeTableReplicaAutoScaling", r#"{"TableName":"t"}"#),
    ("dynamodb", "DescribeTimeToLive", r#"{"TableName":"t"}"#),
    (
        "dynamodb",
        "DisableKinesisStreamingDestination",
        r#"{"TableName":"t","StreamArn":"a","EnableKinesisStreamingConfiguration":{"ApproximateCreationDateTimePrecision":"MILLISECOND"}}"#,
    ),
    (
        "dynamodb",
        "EnableKinesisStreamingDestination",
        r#"{"TableName":"t","StreamArn":"a","EnableKinesisStreamingConfiguration":{"ApproximateCreationDateTimePrecision":"MILLISECOND"}}"#,
    ),
    (
        "dynamodb",
        "ExecuteStatement",
        r#"{"Statement":"SELECT * FROM t","Parameters":[{"L":[{"N":"1"}]}],"NextToken":"x","Limit":1}"#,
    ),
    ("dynamodb", "ExecuteTransaction", r#"{"TransactStatements":[{"Statement":"x"}],"ClientRequestToken":"t"}"#),
    (
        "dynamodb",
        "ExportTableToPointInTime",
        r#"{"TableArn":"a","S3Bucket":"b","ExportTime":1.5,"ExportFormat":"ION","FilterSpecification":{"FilterExpression":"a = :a",
            "ExpressionAttributeValues":{":a":{"B":"AAEC"}}}}"#,
    ),
    (
        "dynamodb",
        "GetItem",
        r#"{"TableName":"t","Key":{"a":{"B":"AAEC"}},"ConsistentRead":false,"AttributesToGet":["a"]}"#,
    ),
    ("dynamodb", "GetResourcePolicy", r#"{"ResourceArn":"a"}"#),
    (
        "dynamodb",
        "ListBackups",
        r#"{"TableName":"t","Limit":5,"TimeRangeLowerBound":1.5,"TimeRangeUpperBound":2,"ExclusiveStartBackupArn":"a","BackupType":"ALL"}"#,
    ),
    (
        "dynamodb",
        "ImportTable",
        r#"{"ClientToken":"t","S3BucketSource":{"S3Bucket":"b","S3KeyPrefix":"p","S3BucketOwner":"1"},"InputFormat":"CSV",
            "InputFormatOptions":{"Csv":{"Delimiter":";","HeaderList":["a"]}},"InputCompressionType":"NONE",
            "TableCreationParameters":{"TableName":"t","AttributeDefinitions":[{"AttributeName":"a","AttributeType":"S"}],
            "KeySchema":[{"AttributeName":"a","KeyType":"HASH"}],"SSESpecification":{"Enabled":true}}}"#,
    ),
    ("dynamodb", "ListBulkOperations", r#"{"MaxResults":5,"NextToken":"x"}"#),
    ("dynamodb", "ListContributorInsights", r#"{"TableName":"t","NextToken":"x","MaxResults":5}"#),
    ("dynamodb", "ListExports", r#"{"TableArn":"a","MaxResults":5,"NextToken":"x"}"#),
    ("dynamodb", "ListGlobalTables", r#"{"Limit":5,"RegionName":"r","ExclusiveStartGlobalTableName":"t"}"#),
    ("dynamodb", "ListImports", r#"{"TableArn":"a","PageSize":5,"NextToken":"x"}"#),
    ("dynamodb", "ListTables", r#"{"Limit":5}"#),
    ("dynamodb", "ListTagsOfResource", r#"{"ResourceArn":"a","NextToken":"x"}"#),
    ("dynamodb", "PutItem", r#"{"TableName":"t","Item":{"a":{"L":[{"M":{}},{"NULL":true},{"NS":["1","2"]}]}}}"#),
    (
        "dynamodb",
        "PutResourcePolicy",
        r#"{"ResourceArn":"a","Policy":"{}","ExpectedRevisionId":"1","ConfirmRemoveSelfResourceAccess":true}"#,
    ),
    (
        "dynamodb",
        "Query",
        r#"{"TableName":"t","KeyConditions":{"a":{"ComparisonOperator":"EQ","AttributeValueList":[{"S":"x"}]}},"ScanIndexForward":false}"#,
    ),
    (
        "dynamodb",
        "RestoreTableFromBackup",
        r#"{"TargetTableName":"t","BackupArn":"a","BillingModeOverride":"PROVISIONED","ProvisionedThroughputOverride":{"ReadCapacityUnits":1},
            "GlobalSecondaryIndexOverride":[],"LocalSecondaryIndexOverride":[{"IndexName":"i"}],"SSESpecificationOverride":{"Enabled":true},
            "VectorIndexOverride":[{"IndexName":"v","VectorAttribute":{"AttributeName":"a"},"Projection":{"ProjectionType":"ALL"},"Dimensions":2,
            "DistanceFunction":"COSINE"}]}"#,
    ),
    (
        "dynamodb",
        "RestoreTableToPointInTime",
        r#"{"SourceTableName":"t","SourceTableArn":"a","TargetTableName":"u","RestoreDateTime":1.5,"UseLatestRestorableTime":true,
            "OnDemandThroughputOverride":{"MaxReadRequestUnits":1}}"#,
    ),
    ("dynamodb", "Scan", r#"{"TableName":"t","Segment":0,"TotalSegments":4,"ExclusiveStartKey":{"a":{"S":"x"}}}"#),
    (
        "dynamodb",
        "SearchVectors",
        r#"{"TableName":"t","IndexName":"idx","SearchVector":[{"N":"1"},{"N":"0.5"}],"TopK":5,"SearchConditionExpression":"a = :a","ExpressionAttributeValues":{":a":{"S":"x"}}}"#,
    ),
    (
        "dynamodb",
        "StartBulkPutItems",
        r#"{"TableName":"t","InputS3Configuration":{"S3Bucket":"b","InputFormat":"DYNAMODB_JSON"},
            "OutputS3Configuration":{"S3Bucket":"b","OutputType":["ERROR"]},"MaxWriteRequestUnits":2000}"#,
    ),
    ("dynamodb", "TagResource", r#"{"ResourceArn":"a","Tags":[{"Key":"k","Value":"v"}]}"#),
    ("dynamodb", "TransactGetItems", r#"{"TransactItems":[{"Get":{"TableName":"t","Key":{"a":{"S":"x"}}}}]}"#),
    (
        "dynamodb",
        "TransactWriteItems",
        r#"{"TransactItems":[{"Delete":{"TableName":"t","Key":{"a":{"S":"x"}}}}],"ClientRequestToken":"x"}"#,
    ),
    ("dynamodb", "UntagResource", r#"{"ResourceArn":"a","TagKeys":["k"]}"#),
    (
        "dynamodb",
        "UpdateContinuousBackups",
        r#"{"TableName":"t","PointInTimeRecoverySpecification":{"PointInTimeRecoveryEnabled":true,"RecoveryPeriodInDays":5}}"#,
    ),
    (
        "dynamodb",
        "UpdateContributorInsights",
        r#"{"TableName":"t","ContributorInsightsAction":"ENABLE","ContributorInsightsMode":"THROTTLED_KEYS"}"#,
    ),
    (
        "dynamodb",
        "UpdateKinesisStreamingDestination",
        r#"{"TableName":"t","StreamArn":"a","UpdateKinesisStreamingConfiguration":{"ApproximateCreationDateTimePrecision":"MICROSECOND"}}"#,
    ),
    (
        "dynamodb",
        "UpdateGlobalTable",
        r#"{"GlobalTableName":"t","ReplicaUpdates":[{"Create":{"RegionName":"r"}},{"Delete":{"RegionName":"s"}}]}"#,
    ),
    (
        "dynamodb",
        "UpdateGlobalTableSettings",
        r#"{"GlobalTableName":"t","GlobalTableBillingMode":"PROVISIONED","ReplicaSettingsUpdate":[{"RegionName":"r","ReplicaProvisionedReadCapacityUnits":5}]}"#,
    ),
    (
        "dynamodb",
        "UpdateItem",
        r##"{"TableName":"t","Key":{"a":{"S":"x"}},"UpdateExpression":"SET #b = :b","ExpressionAttributeNames":{"#b":"b"},"ExpressionAttributeValues":{":b":{"BOOL":true}}}"##,
    ),
    (
        "dynamodb",
        "UpdateTable",
        r#"{"TableName":"t","GlobalSecondaryIndexUpdates":[{"Delete":{"IndexName":"idx"}}],"StreamSpecification":{"StreamEnabled":false}}"#,
    ),
    (
        "dynamodb",
        "UpdateTableReplicaAutoScaling",
        r#"{"TableName":"t","ReplicaUpdates":[{"RegionName":"r","ReplicaProvisionedReadCapacityAutoScalingUpdate":{"MinimumUnits":1,"MaximumUnits":2,
            "ScalingPolicyUpdate":{"TargetTrackingScalingPolicyConfiguration":{"TargetValue":70.5}}}}]}"#,
    ),
    (
        "dynamodb",
        "UpdateTimeToLive",
        r#"{"TableName":"t","TimeToLiveSpecification":{"Enabled":true,"AttributeName":"a"}}"#,
    ),
    ("dynamodbstreams", "DescribeStream", r#"{"StreamArn":"a","ShardFilter":{"Type":"CHILD_SHARDS","ShardId":"s"}}"#),
    ("dynamodbstreams", "GetRecords", r#"{"ShardIterator":"x","Limit":10}"#),
    (
        "dynamodbstreams",
        "GetShardIterator",
        r#"{"StreamArn":"a","ShardId":"s","ShardIteratorType":"AT_TIMESTAMP","Timestamp":1700000000.5}"#,
    ),
    ("dynamodbstreams", "ListStreams", r#"{"TableName":"ttt"}"#),
];

fn read(service: &str, name: &str, body: &str) -> Result<Request, Error> {
    let operation = Operation::find(service, name).ok_or_else(|| Error::UnknownOperation(name.to_owned()))?;
    request(operation, body.as_bytes())
}

#[test]
fn the_request_of_every_operation_is_read() {
    for (service, name, body) in REQUESTS {
        match read(service, name, body) {
            Ok(request) => assert_eq!(request.operation().name(), *name),
            Err(error) => unreachable!("{name}: {error}"),
        }
    }
    let done = Operation::all().iter().filter(|operation| operation.status() != crate::api::Status::Absent);
    for operation in done {
        let tried = REQUESTS.iter().any(|(_, name, _)| *name == operation.name());
        assert!(tried, "{} is implemented: add a request of it to REQUESTS", operation.name());
    }
}

#[test]
fn wrong_types_are_serialization_errors_in_dynamodbs_words() {
    let table = [
        (r#"{"TableName":5}"#, "NUMBER_VALUE cannot be converted to String"),
        (r#"{"TableName":true}"#, "TRUE_VALUE cannot be converted to String"),
        (r#"{"TableName":[]}"#, "Unrecognized collection type class java.lang.String"),
        (r#"{"TableName":{}}"#, "Start of structure or map found where not expected"),
        (r#"{"Limit":"5"}"#, "STRING_VALUE cannot be converted to Integer"),
        (r#"{"ConsistentRead":"yes"}"#, "Unexpected token received from parser"),
        (r#"{"ConsistentRead":1}"#, "NUMBER_VALUE cannot be converted to Boolean"),
        (r#"{"ExclusiveStartKey":"x"}"#, "Unexpected value type in payload"),
        (r#"{"AttributesToGet":"x"}"#, "Unexpected field type"),
        (
            r#"{"ExclusiveStartKey":{"a":{"B":"AAE"}}}"#,
            "Base64 encoded length is expected a multiple of 4 bytes but found: 3",
        ),
        (r#"{"Frobnicate":"x"}"#, "Unknown parameter: Frobnicate"),
    ];
    for (body, message) in table {
        let error = read("dynamodb", "Scan", body).err();
        assert_eq!(error, Some(Error::Serialization(message.to_owned())), "{body}");
    }
}

#[test]
fn what_is_no_json_is_a_serialization_error() {
    for body in ["{", "[]", "5", "{\"TableName\":\"\\ud800\"}", "{\"a\"}", "\u{0}"] {
        let error = read("dynamodb", "Scan", body).err();
        assert_eq!(error.map(|error| error.shape().code), Some("SerializationException"), "{body}");
    }
    assert!(request(Operation::Scan, &[0xff, 0xfe]).is_err());
    assert!(request(Operation::ListTables, b" ").is_ok());
}

#[test]
fn a_null_member_counts_as_absent() {
    assert!(read("dynamodb", "ListTables", r#"{"Limit":null,"ExclusiveStartTableName":null}"#).is_ok());
}

#[test]
fn bodies_of_any_depth_are_errors_and_not_overflows() -> Result<(), Box<dyn std::error::Error>> {
    let run = || {
        let levels = 100_000;
        let lists = format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        let maps = format!("{}1{}", r#"{"M":{"a":"#.repeat(levels), "}}".repeat(levels));
        for body in [
            format!(r#"{{"TableName":{lists}}}"#),
            format!(r#"{{"Item":{{"a":{maps}}}}}"#),
            format!(r#"{{"Frobnicate":{lists}}}"#),
            "[".repeat(levels),
        ] {
            assert!(request(Operation::PutItem, body.as_bytes()).is_err());
        }
        // The deepest that is read at all: deeper than an attribute value may be, which is found out later.
        let deep = format!("{}1{}", r#"{"M":{"a":"#.repeat(39), "}}".repeat(39));
        assert!(request(Operation::PutItem, format!(r#"{{"Item":{{"a":{deep}}}}}"#).as_bytes()).is_ok());
        let deep = format!("{}1{}", "[".repeat(79), "]".repeat(79));
        assert!(request(Operation::PutItem, format!(r#"{{"Item":{deep}}}"#).as_bytes()).is_err());
    };
    let thread = std::thread::Builder::new().stack_size(256 * 1024).spawn(run)?;
    assert!(thread.join().is_ok());
    Ok(())
}

#[test]
fn answers_have_base64_blobs_and_leave_out_what_is_absent() {
    let item: Item = [("a".into(), AttributeValue::B(vec![0, 1, 2])), ("n".into(), AttributeValue::N(Number::from(5)))]
        .into_iter()
        .collect();
    let answer = Response::GetItem(get_item::Output { item: Some(item), consumed_capacity: None });
    assert_eq!(String::from_utf8_lossy(&response(&answer)), r#"{"Item":{"a":{"B":"AAEC"},"n":{"N":"5"}}}"#);
    let nothing = Response::GetItem(get_item::Output::default());
    assert_eq!(response(&nothing), b"{}");
}

#[test]
fn every_error_has_a_type_a_message_and_its_members() {
    let item: Item = [("a".into(), AttributeValue::S("x".to_owned()))].into_iter().collect();
    let text = |error_to_write: &Error| String::from_utf8_lossy(&error(error_to_write)).into_owned();
    assert_eq!(
        text(&Error::validation("no")),
        r#"{"__type":"com.amazon.coral.validate#ValidationException","message":"no"}"#
    );
    assert_eq!(
        text(&Error::ConditionalCheckFailed { item: Some(Box::new(item.clone())) }),
        r#"{"__type":"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException","message":"The conditional request failed","Item":{"a":{"S":"x"}}}"#
    );
    let reason =
        |code, message: Option<&str>, item| CancellationReason { code, message: message.map(str::to_owned), item };
    assert_eq!(
        text(&Error::TransactionCanceled {
            reasons: vec![
                reason("None", None, None),
                reason("ConditionalCheckFailed", Some("The conditional request failed"), Some(item)),
            ]
        }),
        concat!(
            r#"{"__type":"com.amazonaws.dynamodb.v20120810#TransactionCanceledException","#,
            r#""Message":"Transaction cancelled, please refer cancellation reasons for specific reasons [None, ConditionalCheckFailed]","#,
            r#""CancellationReasons":[{"Code":"None"},{"Code":"ConditionalCheckFailed","Message":"The conditional request failed","Item":{"a":{"S":"x"}}}]}"#
        )
    );
}
