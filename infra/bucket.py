"""Makes the bucket for the bytes of files: `python -m infra.bucket`. Running it again changes nothing."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import Any

import boto3

from infra.tables import region


def create_bucket(name: str, endpoint_url: str | None = None) -> None:
    """Make the bucket if it is missing, and close it to the public: only the plane hands out addresses in it.

    Args:
        name: Unique in all of AWS.
        endpoint_url: S3's URL; None leaves it to botocore (which knows `AWS_ENDPOINT_URL`).
    """
    session = boto3.Session(region_name=region())
    client: Any = session.client("s3", endpoint_url=endpoint_url)
    # S3 has no word for its first region here, and refuses to hear it.
    elsewhere = session.region_name != "us-east-1"
    place = {"CreateBucketConfiguration": {"LocationConstraint": session.region_name}} if elsewhere else {}
    with contextlib.suppress(client.exceptions.BucketAlreadyOwnedByYou):
        client.create_bucket(Bucket=name, **place)
    closed = {"BlockPublicAcls": True, "IgnorePublicAcls": True, "BlockPublicPolicy": True}
    client.put_public_access_block(
        Bucket=name, PublicAccessBlockConfiguration={**closed, "RestrictPublicBuckets": True}
    )


if __name__ == "__main__":
    bucket = os.environ.get("MOORING_BUCKET")
    if not bucket:
        sys.exit("Set MOORING_BUCKET to the bucket's name, which must be unique in all of AWS.")
    create_bucket(bucket)
    sys.stdout.write(f"The bucket {bucket} is there.\n")
