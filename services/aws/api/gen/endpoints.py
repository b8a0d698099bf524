"""Writes what the hosts of every service are signed for, as botocore's endpoint rules
resolve them in regions of each partition: plain, dual-stack and for FIPS.

    python3 services/aws/api/gen/endpoints.py services/aws/sigv4/testdata/endpoints.txt
"""

import sys

import botocore
import botocore.session
from botocore.endpoint_provider import EndpointProvider
from botocore.model import ServiceModel

REGIONS = ("us-east-1", "us-gov-west-1", "cn-north-1", "us-isob-east-1")


def hosts(provider, model):
    for region in REGIONS:
        for dual, fips in ((False, False), (True, False), (False, True)):
            if region != REGIONS[0] and (dual or fips):
                continue
            parameters = {"Region": region, "UseDualStack": dual, "UseFIPS": fips}
            known = {p.name for p in provider.ruleset.parameters.values()}
            try:
                endpoint = provider.resolve_endpoint(**{k: v for k, v in parameters.items() if k in known})
            except Exception:  # not in this partition, or more is asked for
                continue
            scheme = (endpoint.properties.get("authSchemes") or [{}])[0]
            name = endpoint.url.split("/")[2]
            if ".signin." in name:  # in domains of its own
                continue
            yield name, scheme.get("signingName", model.signing_name), scheme.get("signingRegion", region)


def main(out):
    session = botocore.session.Session()
    loader = session.get_component("data_loader")
    lines = set()
    for service in session.get_available_services():
        model = ServiceModel(loader.load_service_model(service, "service-2"), service)
        try:
            rules = loader.load_service_model(service, "endpoint-rule-set-1")
        except Exception:
            continue
        provider = EndpointProvider(rules, loader.load_data("partitions"))
        lines.update(" ".join(found) for found in hosts(provider, model))
    with open(out, "w") as f:
        f.write(f"# host, signing name, signing region: as the endpoint rules of botocore {botocore.__version__} resolve them\n")
        f.write("\n".join(sorted(lines)) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
