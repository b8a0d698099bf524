package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
)

// refused prints what the SDK shows of a refusal, with the retries that it has by default.
func refused(ctx context.Context, region string) error {
	loaded, err := config.LoadDefaultConfig(ctx, config.WithRegion(region))
	if err != nil {
		return err
	}
	_, err = s3.NewFromConfig(loaded).GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String("bucket-of-nobody"), Key: aws.String("key")})
	var api smithy.APIError
	if !errors.As(err, &api) {
		return errors.Join(errors.New("it was not refused"), err)
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]any{"s3": map[string]string{"Code": api.ErrorCode(), "Message": api.ErrorMessage()}})
}
