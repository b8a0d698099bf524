// Command goclient is a Go program that uses S3 as its users write it, and knows nothing
// of a proxy: aws-sdk-go-v2 with bodies that can be read twice and bodies that cannot, its
// multipart manager, and MinIO's signer of chunks.
//
//	goclient BUCKET REGION KEYS [ENDPOINT]    KEYS is a JSON list
//	goclient refused REGION
package main

import (
	"bytes"
	"context"
	"crypto/sha512"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/feature/s3/manager"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Println("goclient:", err)
		os.Exit(1)
	}
}

// program is what all of its parts share.
type program struct {
	s3                       *s3.Client
	bucket, region, endpoint string
	keys                     []string
}

func run(ctx context.Context, args []string) error {
	if args[0] == "refused" {
		return refused(ctx, args[1])
	}
	p := &program{bucket: args[0], region: args[1]}
	if err := json.Unmarshal([]byte(args[2]), &p.keys); err != nil {
		return err
	}
	loaded, err := config.LoadDefaultConfig(ctx, config.WithRegion(p.region), config.WithRetryMaxAttempts(1))
	if err != nil {
		return err
	}
	p.s3 = s3.NewFromConfig(loaded, func(o *s3.Options) {
		if len(args) > 3 {
			p.endpoint = args[3]
			o.BaseEndpoint, o.UsePathStyle = aws.String(args[3]), true
		}
	})
	_, err = p.s3.CreateBucket(ctx, &s3.CreateBucketInput{
		Bucket: &p.bucket, CreateBucketConfiguration: &types.CreateBucketConfiguration{LocationConstraint: types.BucketLocationConstraint(p.region)},
	})
	if err != nil {
		return err
	}
	for _, part := range []func(context.Context) error{p.bodies, p.multipart, p.chunks} {
		if err := part(ctx); err != nil {
			return err
		}
	}
	return nil
}

func data(size int, seed string) []byte {
	block := sha512.Sum512([]byte(seed))
	return bytes.Repeat(block[:], size/len(block)+1)[:size]
}

// same gets an object again and compares it.
func (p *program) same(ctx context.Context, what, key string, want []byte) error {
	object, err := p.s3.GetObject(ctx, &s3.GetObjectInput{Bucket: &p.bucket, Key: &key, ChecksumMode: types.ChecksumModeEnabled})
	if err != nil {
		return fmt.Errorf("%s: get %q: %w", what, key, err)
	}
	defer object.Body.Close()
	got, err := io.ReadAll(object.Body)
	if err != nil {
		return fmt.Errorf("%s: get %q: %w", what, key, err)
	}
	if !bytes.Equal(got, want) {
		return fmt.Errorf("%s: %q: %d bytes came back of %d, or others", what, key, len(got), len(want))
	}
	fmt.Println("same", what, key, len(want))
	return nil
}

// bodies puts what can be read twice, and what cannot, in each way of signing.
func (p *program) bodies(ctx context.Context) error {
	unsigned := s3.WithAPIOptions(v4.SwapComputePayloadSHA256ForUnsignedPayloadMiddleware)
	for n, key := range p.keys {
		for _, size := range []int{1 + n, 300_000} {
			body := data(size, key)
			for what, put := range map[string]struct {
				body    io.Reader
				options []func(*s3.Options)
			}{
				"seekable":   {bytes.NewReader(body), nil},
				"unseekable": {io.MultiReader(bytes.NewReader(body)), []func(*s3.Options){unsigned}},
			} {
				input := &s3.PutObjectInput{Bucket: &p.bucket, Key: aws.String(what + "/" + key), Body: put.body, Metadata: map[string]string{"note": "two  spaces"}}
				if what == "unseekable" {
					input.ContentLength = aws.Int64(int64(len(body)))
				}
				if _, err := p.s3.PutObject(ctx, input, put.options...); err != nil {
					return fmt.Errorf("%s: put %q: %w", what, key, err)
				}
				if err := p.same(ctx, what, what+"/"+key, body); err != nil {
					return err
				}
			}
		}
	}
	// What cannot be read twice, with the checksum that the client makes by default.
	body := data(3_000_000, "stream")
	_, err := p.s3.PutObject(ctx, &s3.PutObjectInput{Bucket: &p.bucket, Key: aws.String("stream"), Body: io.MultiReader(bytes.NewReader(body)), ContentLength: aws.Int64(int64(len(body)))})
	if err != nil {
		return fmt.Errorf("stream: %w", err)
	}
	return p.same(ctx, "stream", "stream", body)
}

// multipart uploads and downloads with the manager.
func (p *program) multipart(ctx context.Context) error {
	body := data(13_000_000, "parts")
	for what, reader := range map[string]io.Reader{"manager": bytes.NewReader(body), "manager of a stream": io.MultiReader(bytes.NewReader(body))} {
		uploader := manager.NewUploader(p.s3, func(u *manager.Uploader) { u.PartSize = 5 << 20 })
		if _, err := uploader.Upload(ctx, &s3.PutObjectInput{Bucket: &p.bucket, Key: &what, Body: reader}); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		buffer := manager.NewWriteAtBuffer(nil)
		downloader := manager.NewDownloader(p.s3, func(d *manager.Downloader) { d.PartSize = 5 << 20 })
		if _, err := downloader.Download(ctx, buffer, &s3.GetObjectInput{Bucket: &p.bucket, Key: &what}); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		if !bytes.Equal(buffer.Bytes(), body) {
			return errors.New(what + ": other bytes came back")
		}
		fmt.Println("same", what, len(body))
	}
	return nil
}
