package sigv4

import (
	"slices"
	"strings"
)

// Endpoint is what one of AWS's host names says of itself.
type Endpoint struct {
	Partition string
	// Name is what is left without domain, region, dual-stack and FIPS: "iam",
	// "bedrock-runtime", "bucket.s3", "ap-123456789012.s3-accesspoint".
	Name     string
	Services []string // the names that requests to it are signed for
	Regions  []string // the regions that they are signed for; any of the partition if empty
}

// AWS is the Agreement for AWS's own hosts, VPC endpoints, dual-stack and FIPS names
// included. Hosts that it does not know are refused: whoever is asked to believe a
// scope without its host could be made to sign for another service.
func AWS(host, service, region string) error {
	switch endpoint, ok := Locate(host); {
	case !ok:
		return refuse(HostMismatch, "%s is not a host of AWS that is known here; use the service's regional endpoint", host)
	case slices.Contains(endpoint.Services, "s3express") && endpoint.Name != "s3express-control":
		return refuse(S3Express, "directory buckets (S3 Express) are not supported; use a general purpose bucket")
	case slices.Contains(endpoint.Services, "s3-global"):
		if service != "s3" || region != "*" {
			return refuse(SigV4A, "multi-region access points take SigV4A for all regions alone; let the client sign so, which needs the CRT with some SDKs")
		}
		return nil
	case !slices.Contains(endpoint.Services, service):
		return refuse(HostMismatch, "the request is signed for %s, but %s is %s; let the client sign for the service it calls", service, host, strings.Join(endpoint.Services, " or "))
	case !endpoint.in(region):
		return refuse(HostMismatch, "the request is signed for %s, but %s is not in that region; set the client's region to the endpoint's", region, host)
	}
	return nil
}

func (e Endpoint) in(region string) bool {
	if len(e.Regions) > 0 {
		return slices.Contains(e.Regions, region)
	}
	return isRegion(region) && partitionOf(region) == e.Partition
}

// Locate reads a host name. In this order:
//
//  1. the domain gives the partition;
//  2. "vpce" and what stands before a VPC endpoint's id are left out;
//  3. the last label is the region, or the one before the last is and the last is the
//     service (domain.eu-west-1.es), or there is none: a global or an old name;
//  4. what is before it names the service: S3 by its last label, for buckets have dots;
//     the others by the table of names.
func Locate(host string) (Endpoint, bool) {
	partition, labels, ok := domain(strings.TrimSuffix(host, "."))
	if !ok {
		return Endpoint{}, false
	}
	labels, before, ok := withoutVPCE(labels)
	if !ok {
		return Endpoint{}, false
	}
	if n := len(labels); n > 1 && labels[n-1] == "us-gov" && isRegion(labels[n-2]) {
		labels = labels[:n-1]
	}
	endpoint := Endpoint{Partition: partition}
	name, region := labels, ""
	switch n := len(labels); {
	case isRegion(labels[n-1]):
		name, region = labels[:n-1], labels[n-1]
	case n > 1 && isRegion(labels[n-2]) && !strings.HasPrefix(labels[n-1], "s3"): // there it is a bucket
		name, region = append(slices.Clone(labels[:n-2]), labels[n-1]), labels[n-2]
	case labels[n-1] == "global", labels[n-1] == "us-gov":
		name = labels[:n-1]
		endpoint.Regions = globalRegions(partition, labels[n-1])
	default:
		endpoint.Regions = globalRegions(partition, "")
	}
	if region != "" {
		endpoint.Partition, endpoint.Regions = partitionOf(region), []string{region}
	}
	if len(name) == 0 {
		return Endpoint{}, false
	}
	if s3(&endpoint, name, region) {
		return endpoint, endpoint.nameS3(name, before)
	}
	name = plain(name)
	endpoint.Services, endpoint.Name = namesOfHosts().signed(name), strings.Join(name, ".")
	return endpoint, len(endpoint.Services) > 0
}

// nameS3 names one of S3's hosts as those of today are called. Only the last label is
// S3's own, for those before it are a bucket. Before a VPC endpoint's id is the kind of
// host: bucket, accesspoint or control, and what it is about.
func (e *Endpoint) nameS3(name, before []string) bool {
	name = slices.Clone(name)
	last := len(name) - 1
	if name[last] == "dualstack" && last > 0 {
		name = name[:last]
		last--
	}
	name[last] = strings.TrimSuffix(name[last], "-fips")
	if strings.HasPrefix(name[last], "s3-") && e.Services[0] == "s3" && !slices.Contains([]string{"s3-accesspoint", "s3-control", "s3-accelerate"}, name[last]) {
		name[last] = "s3" // s3-eu-west-1
	}
	if n := len(before); n > 0 {
		kind := map[string]string{"bucket": "s3", "accesspoint": "s3-accesspoint", "control": "s3-control"}[before[n-1]]
		if kind == "" || len(name) != 1 || name[0] != "s3" {
			return false
		}
		name = append(slices.Clone(before[:n-1]), kind)
	}
	e.Name = strings.Join(name, ".")
	return true
}

// partitionDomain is one of the domains of a partition. The first of each is the one
// that regional endpoints have by default.
type partitionDomain struct{ suffix, partition string }

func partitionDomains() [16]partitionDomain {
	return [...]partitionDomain{
		{".amazonaws.com", "aws"},
		{".api.aws", "aws"},
		{".on.aws", "aws"},
		{".amazonaws.com.cn", "aws-cn"},
		{".api.amazonwebservices.com.cn", "aws-cn"},
		{".on.amazonwebservices.com.cn", "aws-cn"},
		{".amazonaws.eu", "aws-eusc"},
		{".api.amazonwebservices.eu", "aws-eusc"},
		{".c2s.ic.gov", "aws-iso"},
		{".api.aws.ic.gov", "aws-iso"},
		{".sc2s.sgov.gov", "aws-iso-b"},
		{".api.aws.scloud", "aws-iso-b"},
		{".cloud.adc-e.uk", "aws-iso-e"},
		{".api.cloud-aws.adc-e.uk", "aws-iso-e"},
		{".csp.hci.ic.gov", "aws-iso-f"},
		{".api.aws.hci.ic.gov", "aws-iso-f"},
	}
}

// DomainsOf returns what the hosts of a partition end in, each with its dot.
func DomainsOf(partition string) []string {
	var all []string
	for _, d := range partitionDomains() {
		if d.partition == domainPartition(partition) {
			all = append(all, d.suffix)
		}
	}
	return all
}

// domainPartition: some partitions share their domains.
func domainPartition(partition string) string {
	if partition == "aws-us-gov" {
		return "aws"
	}
	return partition
}

// EndpointOf returns the host of a service's endpoint in a region, "" for the
// partition's global one, and false for a partition that is not known.
func EndpointOf(partition, service, region string) (host string, ok bool) {
	if region != "" {
		region = "." + region
	}
	for _, d := range partitionDomains() {
		if d.partition == domainPartition(partition) {
			return service + region + d.suffix, true
		}
	}
	return "", false
}

// Partition returns the partition of a region.
func Partition(region string) string { return partitionOf(region) }

// IsAWS reports whether a host lies in one of AWS's domains, be it known here or not:
// there are also hosts that anybody can have.
func IsAWS(host string) bool {
	host = strings.TrimSuffix(host, ".")
	for _, d := range partitionDomains() {
		if len(host) > len(d.suffix) && strings.HasSuffix(host, d.suffix) {
			return true
		}
	}
	return false
}

// domain splits a host into its partition's domain and the labels before it.
func domain(host string) (partition string, labels []string, ok bool) {
	for _, d := range partitionDomains() {
		if name, found := strings.CutSuffix(host, d.suffix); found && name != "" {
			return d.partition, strings.Split(name, "."), true
		}
	}
	return "", nil, false
}

// IsGlobal reports whether a host is one of those of AWS's that are signed for one region of
// their partition, whatever the client's own is: IAM, Route 53, CloudFront.
func IsGlobal(host string) bool {
	endpoint, known := Locate(host)
	return known && len(endpoint.Regions) > 0 && RegionIn(host) == ""
}

// RegionIn returns the region that one of the labels of a host's name is, "" if none is, or
// if it is not AWS's.
func RegionIn(host string) string {
	if _, labels, ok := domain(strings.TrimSuffix(host, ".")); ok {
		for _, label := range slices.Backward(labels) {
			if isRegion(label) {
				return label
			}
		}
	}
	return ""
}

// withoutVPCE reduces "bucket.vpce-1a2b.s3.eu-west-1.vpce" to "s3.eu-west-1", and says
// what stood before the endpoint's id.
func withoutVPCE(labels []string) (rest, before []string, ok bool) {
	last := len(labels) - 1
	if labels[last] != "vpce" {
		return labels, nil, true
	}
	id := slices.IndexFunc(labels, func(l string) bool { return strings.HasPrefix(l, "vpce-") })
	if id < 0 || id+1 >= last {
		return nil, nil, false
	}
	return labels[id+1 : last], labels[:id], true
}

// plain leaves out what says only how a host is reached: dual-stack and FIPS. It is not
// for S3, where a bucket may be called so.
func plain(name []string) []string {
	name = slices.Clone(name)
	for i, label := range name {
		name[i] = strings.TrimSuffix(label, "-fips")
	}
	if n := len(name); n > 1 && name[n-1] == "dualstack" {
		name = name[:n-1]
	}
	if len(name) > 1 && name[0] == "fips" {
		name = name[1:]
	}
	return name
}

// s3 recognises the many names of S3 by their last label.
func s3(e *Endpoint, name []string, region string) bool {
	last := name[len(name)-1]
	if last == "dualstack" && len(name) > 1 {
		last = name[len(name)-2]
	}
	last = strings.TrimSuffix(last, "-fips")
	switch last {
	case "s3", "s3-accesspoint", "s3-control":
		e.Services = []string{"s3"}
	case "s3-accelerate":
		e.Services, e.Regions = []string{"s3"}, nil
		return true
	case "s3-object-lambda", "s3-outposts", "s3-global":
		e.Services = []string{last}
	default:
		if strings.HasPrefix(last, "s3express") {
			e.Services = []string{"s3express"}
			return true
		}
		old, ok := strings.CutPrefix(last, "s3-")
		if !ok || region != "" {
			return false
		}
		if old == "external-1" {
			old = "us-east-1"
		}
		e.Services, e.Regions = []string{"s3"}, []string{old}
		return isRegion(old)
	}
	if region == "" {
		e.Regions = nil // the old global name serves buckets of every region
	}
	return true
}

// isRegion reports whether a label has the form of a region: eu-west-1, us-gov-east-1.
func isRegion(label string) bool {
	parts := strings.Split(label, "-")
	n := len(parts)
	if n < 3 || n > 4 || len(parts[0]) < 2 || len(parts[0]) > 4 || len(parts[n-1]) != 1 || parts[n-1][0] < '1' || parts[n-1][0] > '9' {
		return false
	}
	for _, part := range parts[:n-1] {
		for i := range len(part) {
			if part[i] < 'a' || part[i] > 'z' {
				return false
			}
		}
	}
	return true
}

func partitionOf(region string) string {
	for _, p := range [...]struct{ prefix, partition string }{
		{"cn-", "aws-cn"},
		{"us-gov-", "aws-us-gov"},
		{"us-iso-", "aws-iso"},
		{"us-isob-", "aws-iso-b"},
		{"eu-isoe-", "aws-iso-e"},
		{"us-isof-", "aws-iso-f"},
		{"eusc-", "aws-eusc"},
	} {
		if strings.HasPrefix(region, p.prefix) {
			return p.partition
		}
	}
	return "aws"
}

// globalRegions returns the regions that a partition's global endpoints sign for.
func globalRegions(partition, label string) []string {
	if label == "us-gov" {
		return []string{"us-gov-west-1"}
	}
	switch partition {
	case "aws":
		return []string{"us-east-1", "us-gov-west-1"} // budgets.amazonaws.com is both
	case "aws-cn":
		return []string{"cn-north-1", "cn-northwest-1"}
	case "aws-eusc":
		return []string{"eusc-de-east-1"}
	case "aws-iso":
		return []string{"us-iso-east-1"}
	case "aws-iso-b":
		return []string{"us-isob-east-1"}
	case "aws-iso-e":
		return []string{"eu-isoe-west-1"}
	default:
		return []string{"us-isof-south-1"}
	}
}
