// The Go SDK against `fdyno serve`: items, errors, compressed answers and their checksums, and a consumer of the stream.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	streamtypes "github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"
	"github.com/aws/smithy-go"
)

const table = "golang"

func check(is bool, format string, more ...any) {
	if !is {
		fmt.Fprintf(os.Stderr, "Go SDK: "+format+"\n", more...)
		os.Exit(1)
	}
}

func must[T any](value T, err error) T {
	check(err == nil, "%v", err)
	return value
}

func text(value string) types.AttributeValue { return &types.AttributeValueMemberS{Value: value} }
func number(value int) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.Itoa(value)}
}
func key(pk string) map[string]types.AttributeValue {
	return map[string]types.AttributeValue{"pk": text(pk)}
}

// Reads a stream from its beginning on and sends every record, until it is told to end.
func consume(ctx context.Context, streams *dynamodbstreams.Client, arn *string, records chan<- streamtypes.Record) error {
	described, err := streams.DescribeStream(ctx, &dynamodbstreams.DescribeStreamInput{StreamArn: arn})
	if err != nil {
		return err
	}
	got, err := streams.GetShardIterator(ctx, &dynamodbstreams.GetShardIteratorInput{
		StreamArn: arn, ShardId: described.StreamDescription.Shards[0].ShardId,
		ShardIteratorType: streamtypes.ShardIteratorTypeTrimHorizon,
	})
	if err != nil {
		return err
	}
	for iterator := got.ShardIterator; iterator != nil; {
		page, err := streams.GetRecords(ctx, &dynamodbstreams.GetRecordsInput{ShardIterator: iterator})
		if err != nil {
			return err
		}
		for _, record := range page.Records {
			records <- record
		}
		iterator = page.NextShardIterator
		if len(page.Records) == 0 {
			time.Sleep(20 * time.Millisecond)
		}
	}
	return nil
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	endpoint := aws.String(os.Getenv("FDYNO_ENDPOINT"))
	keys := credentials.NewStaticCredentialsProvider(os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_SECRET_ACCESS_KEY"), "")
	// With compressed answers: the client checks what was sent against its checksum.
	client := dynamodb.New(dynamodb.Options{
		BaseEndpoint: endpoint, Region: "eu-west-1", Credentials: keys, EnableAcceptEncodingGzip: true, RetryMaxAttempts: 1,
	})
	streams := dynamodbstreams.New(dynamodbstreams.Options{BaseEndpoint: endpoint, Region: "eu-west-1", Credentials: keys})

	_, err := client.GetItem(ctx, &dynamodb.GetItemInput{TableName: aws.String(table), Key: key("a")})
	var absent *types.ResourceNotFoundException
	check(errors.As(err, &absent), "no table, and %v", err)

	created := must(client.CreateTable(ctx, &dynamodb.CreateTableInput{
		TableName: aws.String(table), BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("pk"), AttributeType: types.ScalarAttributeTypeS}},
		KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String("pk"), KeyType: types.KeyTypeHash}},
		StreamSpecification: &types.StreamSpecification{
			StreamEnabled: aws.Bool(true), StreamViewType: types.StreamViewTypeNewAndOldImages,
		},
	}))
	waiter := dynamodb.NewTableExistsWaiter(client)
	check(waiter.Wait(ctx, &dynamodb.DescribeTableInput{TableName: aws.String(table)}, 30*time.Second) == nil, "no table")

	records := make(chan streamtypes.Record)
	ended := make(chan error, 1)
	consuming, end := context.WithCancel(ctx)
	go func() { ended <- consume(consuming, streams, created.TableDescription.LatestStreamArn, records) }()

	long := strings.Repeat("häß ", 50_000)
	for n := range 10 {
		must(client.PutItem(ctx, &dynamodb.PutItemInput{TableName: aws.String(table), Item: map[string]types.AttributeValue{
			"pk": text(strconv.Itoa(n)), "n": number(n), "long": text(long),
			"data": &types.AttributeValueMemberB{Value: []byte{0, 255}},
		}}))
	}
	got := must(client.GetItem(ctx, &dynamodb.GetItemInput{TableName: aws.String(table), Key: key("3")}))
	check(got.Item["long"].(*types.AttributeValueMemberS).Value == long, "another text")
	check(string(got.Item["data"].(*types.AttributeValueMemberB).Value) == "\x00\xff", "other bytes")

	_, err = client.PutItem(ctx, &dynamodb.PutItemInput{
		TableName: aws.String(table), Item: key("3"), ConditionExpression: aws.String("attribute_not_exists(pk)"),
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	var failed *types.ConditionalCheckFailedException
	check(errors.As(err, &failed) && failed.Item["n"].(*types.AttributeValueMemberN).Value == "3", "%v", err)
	_, err = client.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{
		{Delete: &types.Delete{TableName: aws.String(table), Key: key("1")}},
		{ConditionCheck: &types.ConditionCheck{
			TableName: aws.String(table), Key: key("x"), ConditionExpression: aws.String("attribute_exists(pk)"),
		}},
	}})
	var cancelled *types.TransactionCanceledException
	check(errors.As(err, &cancelled) && *cancelled.CancellationReasons[1].Code == "ConditionalCheckFailed", "%v", err)
	must(client.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: aws.String(table), Key: key("0")}))

	pages, count := 0, int32(0)
	for scan := dynamodb.NewScanPaginator(client, &dynamodb.ScanInput{TableName: aws.String(table)}); scan.HasMorePages(); pages++ {
		count += must(scan.NextPage(ctx)).Count
	}
	check(count == 9 && pages > 1, "%d items on %d pages", count, pages)

	before := ""
	for n := range 11 {
		record := <-records
		is := record.EventName == streamtypes.OperationTypeInsert
		check(is == (n < 10) && *record.Dynamodb.SequenceNumber > before, "record %d: %s", n, record.EventName)
		before = *record.Dynamodb.SequenceNumber
	}
	must(client.DeleteTable(ctx, &dynamodb.DeleteTableInput{TableName: aws.String(table)}))
	end()
	if err := <-ended; err != nil {
		check(errors.Is(err, context.Canceled), "the consumer ended with %v", err)
	}

	stranger := dynamodb.New(dynamodb.Options{
		BaseEndpoint: endpoint, Region: "eu-west-1", RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("AKIDOTHER", "x", ""),
	})
	_, err = stranger.ListTables(ctx, &dynamodb.ListTablesInput{})
	var refused smithy.APIError
	check(errors.As(err, &refused) && refused.ErrorCode() == "UnrecognizedClientException", "%v", err)
	fmt.Println("Go SDK: ok")
}
