package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/minio/minio-go/v7/pkg/signer"
)

// chunks puts bodies whose chunks are signed one by one, without and with a trailer.
// MinIO's client does so over plain HTTP only, so its signer is called here.
func (p *program) chunks(ctx context.Context) error {
	for _, size := range []int{0, 1, 65_536, 200_001} {
		for _, trailer := range []bool{false, true} {
			if trailer && strings.Contains(p.endpoint, "versity") {
				continue // 1.8.0 answers BadDigest to the trailers of this signer, with no proxy between as well
			}
			key := fmt.Sprintf("chunks/%d %t", size, trailer)
			body := data(size, key)
			if err := p.putChunks(ctx, key, body, trailer); err != nil {
				return fmt.Errorf("%s: %w", key, err)
			}
			if err := p.same(ctx, "chunks", key, body); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *program) putChunks(ctx context.Context, key string, body []byte, trailer bool) error {
	endpoint := p.endpoint + "/" + p.bucket
	if p.endpoint == "" {
		endpoint = "https://" + p.bucket + ".s3." + p.region + ".amazonaws.com"
	}
	escaped := strings.ReplaceAll(url.PathEscape(key), "%2F", "/")
	request, err := http.NewRequestWithContext(ctx, http.MethodPut, endpoint+"/"+escaped, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.ContentLength = int64(len(body))
	if trailer {
		sum := crc32.NewIEEE()
		_, _ = sum.Write(body)
		request.Trailer = http.Header{"X-Amz-Checksum-Crc32": {base64.StdEncoding.EncodeToString(sum.Sum(nil))}}
	}
	signed := signer.StreamingSignV4(request, os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_SECRET_ACCESS_KEY"), "", p.region, int64(len(body)), time.Now().UTC(), hasher{sha256.New()})
	answer, err := http.DefaultClient.Do(signed)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", answer.Status, text)
	}
	return err
}

// hasher is SHA-256 in the form that MinIO's signer wants it.
type hasher struct{ hash.Hash }

func (hasher) Close() {}
