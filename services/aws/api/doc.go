// Package api says what a request means to AWS, in AWS's own words: the operation
// ("s3/PutObject": botocore's endpoint prefix and operation name), the IAM actions that
// it needs, and, for the services people write policies about most, the ARNs that it
// touches.
//
// It covers every operation of every service that botocore describes, in each wire
// protocol that its service takes: JSON by X-Amz-Target, query by Action, REST by
// method, path and query, CBOR by path. The table is generated and committed.
//
// It promises that a request is named exactly or not at all. Signals that disagree (a
// target and an Action, two subresources of S3, one header twice), hosts that serve
// somebody's data under a service's name, and whatever two servers could read
// differently are [Unresolved] with the reason, never guessed. Bodies are read only
// where the name or the resource is in them, and only up to [MaxBody].
//
// It never decides, never opens a connection, never keeps state, and holds no secret.
// That service and region of a request agree with its host is for its caller to see to.
package api

//go:generate go run ./gen -botocore $BOTOCORE -iam $IAM_FLOYD
