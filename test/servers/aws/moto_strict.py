"""moto's server with the rules of AWS that moto 5.2.5 leaves out and a rotation depends on.

usage: python moto_strict.py -H 127.0.0.1 -p PORT

Each rule names the page of AWS that says it. API = https://docs.aws.amazon.com/secretsmanager/latest/apireference,
GUIDE = https://docs.aws.amazon.com/secretsmanager/latest/userguide.
"""
import os
import base64
import json
import re
import threading
import time
import uuid

from moto.awslambda import models as lam
from moto.awslambda.exceptions import PreconditionFailedException
from moto.awslambda.responses import LambdaResponse
from moto.core.config import default_user_config
from moto.core.exceptions import JsonRESTError
from moto.core.responses import BaseResponse
from moto.iam import access_control
from moto.iam.responses import IamResponse
from moto.secretsmanager import models as sm
from moto.secretsmanager.exceptions import (
    InvalidParameterException,
    InvalidRequestException,
    ResourceExistsException,
    SecretsManagerClientError,
)
from moto.secretsmanager.responses import SecretsManagerResponse
from moto.server import main

# Lambda without Docker: an invocation answers what /moto-api/static/lambda-simple/response was given.
default_user_config["lambda"] = {"use_docker": False}

# ---- Secrets Manager -------------------------------------------------------------------------------------------------

MAX_VALUE_BYTES = 65_536  # GUIDE/reference_limits.html: "Secret value size"
MAX_LABELS = 20  # "Staging labels attached across all versions of a secret"
MAX_VERSIONS = int(os.environ.get("ROTATION_MOTO_VERSIONS", "100"))  # "Versions per secret"; unlabelled ones are removed above it, but none younger than a day
DAY = 86_400


class LimitExceededException(SecretsManagerClientError):
    def __init__(self, message):
        super().__init__("LimitExceededException", message)


def one_at_a_time(backend):
    """moto's server answers in threads, and checks before it changes: two callers could both win. In AWS one does."""
    lock = threading.RLock()

    def guarded(method):
        def call(*args, **kwargs):
            with lock:
                return method(*args, **kwargs)
        return call

    for name in ("create_secret", "put_secret_value", "update_secret_version_stage", "delete_secret", "restore_secret",
                 "update_secret", "describe_secret", "get_secret_value"):
        setattr(backend, name, guarded(getattr(backend, name)))


def holder_of(secret, label):
    return next((v for v in secret.versions if label in secret.versions[v]["version_stages"]), None)


def refuse_deleted(secret):
    # API/API_PutSecretValue.html, API_UpdateSecretVersionStage.html: InvalidRequestException, "The secret is scheduled
    # for deletion". moto changes such a secret.
    if secret.is_deleted():
        raise InvalidRequestException("You can't perform this operation on the secret because it was marked for deletion.")


def check_label_quota(secret, added):
    labels = {label for version in secret.versions.values() for label in version["version_stages"]} | set(added)
    if len(labels) > MAX_LABELS:
        raise LimitExceededException(f"A secret can have at most {MAX_LABELS} staging labels.")


# API/API_UpdateSecretVersionStage.html, RemoveFromVersionId: "If the staging label you are trying to attach to one
# version is already attached to a different version, then you must include this parameter [...] If the label is
# attached and you either do not specify this parameter, or the version ID does not match, then the operation fails."
# moto asks for it with AWSCURRENT only, and takes the label away before it finds that the target does not exist.
# A secret without version or stage is AWSCURRENT's, also after the label was moved (moto keeps the older one).
def update_secret_version_stage(self, secret_id, version_stage, remove_from_version_id, move_to_version_id):
    if secret_id not in self.secrets:
        raise sm.SecretNotFoundException()
    secret = self.secrets[secret_id]
    if isinstance(secret, sm.ReplicaSecret):
        raise sm.OperationNotPermittedOnReplica()
    refuse_deleted(secret)
    for version in (move_to_version_id, remove_from_version_id):
        if version and version not in secret.versions:
            raise InvalidParameterException(f"Not a valid version: {version}")
    holder = holder_of(secret, version_stage)
    if remove_from_version_id and holder != remove_from_version_id:
        raise InvalidParameterException(f"Version stage {version_stage} not found in version {remove_from_version_id}")
    if move_to_version_id and holder not in (None, move_to_version_id) and remove_from_version_id != holder:
        raise InvalidParameterException(
            f"The parameter RemoveFromVersionId can't be empty. Staging label {version_stage} is currently attached to "
            f"version {holder}, so you must explicitly reference that version in RemoveFromVersionId.")
    if not move_to_version_id and not remove_from_version_id:
        raise InvalidParameterException("You must specify MoveToVersionId or RemoveFromVersionId.")
    # The service's own answer, as users of it report it (hashicorp/terraform-provider-aws, secret_version.go).
    if version_stage == "AWSCURRENT" and not move_to_version_id:
        raise InvalidParameterException(
            "You can only move staging label AWSCURRENT to a different secret version. It can't be completely removed.")
    if holder == move_to_version_id:
        return secret.arn, secret.name
    if move_to_version_id:
        check_label_quota(secret, [version_stage])
    if holder:
        secret.versions[holder]["version_stages"].remove(version_stage)
    if move_to_version_id:
        secret.versions[move_to_version_id]["version_stages"].append(version_stage)
    if version_stage == "AWSCURRENT":
        # "Whenever you move AWSCURRENT, Secrets Manager automatically moves the label AWSPREVIOUS to the version that
        # AWSCURRENT was removed from."
        secret.remove_version_stages_from_old_versions(["AWSPREVIOUS"])
        if holder:
            secret.versions[holder]["version_stages"].append("AWSPREVIOUS")
        secret.set_default_version_id(move_to_version_id)
    return secret.arn, secret.name


sm.SecretsManagerBackend.update_secret_version_stage = update_secret_version_stage

# API/API_PutSecretValue.html, ClientRequestToken: a value never changes. moto lets a PutSecretValue overwrite a version
# that holds AWSPENDING.
check_versions = sm.SecretsManagerBackend._check_with_existing_secrets_and_versions


def check_with_existing(self, secret_name, client_request_token, secret_string, secret_binary, on_create=False):
    secret = self.secrets.get(secret_name)
    # "You can't create this secret because a secret with this name is already scheduled for deletion."
    if on_create and secret is not None and secret.is_deleted():
        raise InvalidRequestException(
            "You can't create this secret because a secret with this name is already scheduled for deletion.")
    version = getattr(secret, "versions", {}).get(client_request_token)
    if version and "AWSPENDING" in version["version_stages"]:
        if (version.get("secret_string"), version.get("secret_binary")) == (secret_string, secret_binary):
            return secret
        if version.get("secret_string") is not None or version.get("secret_binary") is not None:
            raise ResourceExistsException(
                f"You can't use ClientRequestToken {client_request_token} because that value is already in use for a "
                f"version of secret {secret.arn}.")
    return check_versions(self, secret_name, client_request_token, secret_string, secret_binary, on_create)


sm.SecretsManagerBackend._check_with_existing_secrets_and_versions = check_with_existing

add_secret = sm.SecretsManagerBackend._add_secret


def checked_add_secret(self, secret_id, secret_string=None, secret_binary=None, version_stages=None, **others):
    # API/API_PutSecretValue.html: SecretString at most 65536 characters, SecretBinary 65536 bytes.
    size = len((secret_string or "").encode()) or len(base64.b64decode(secret_binary or ""))
    if size > MAX_VALUE_BYTES:
        raise InvalidParameterException("The secret value is longer than 65536 bytes.")
    secret = self.secrets[secret_id] if secret_id in self.secrets else None
    if secret is not None and (secret_string is not None or secret_binary is not None):
        refuse_deleted(secret)
        check_label_quota(secret, version_stages or ["AWSCURRENT"])
        remove_collected_versions(secret)
        if len(secret.versions) >= MAX_VERSIONS:
            raise LimitExceededException(f"A secret can have at most {MAX_VERSIONS} versions.")
    return add_secret(self, secret_id, secret_string, secret_binary, version_stages=version_stages, **others)


def remove_collected_versions(secret):
    # GUIDE/reference_limits.html: "Secrets Manager removes unlabeled versions when there are more than 100, but it does
    # not remove versions created less than 24 hours ago."
    for version in [v for v, it in secret.versions.items()
                    if not it["version_stages"] and time.time() - it["createdate"] > DAY]:
        if len(secret.versions) < MAX_VERSIONS:
            return
        del secret.versions[version]


sm.SecretsManagerBackend._add_secret = checked_add_secret


# API/API_PutSecretValue.html, VersionStages: a label that another version holds is taken from it, and AWSPREVIOUS goes to
# the version that AWSCURRENT was removed from. moto takes every other label away from that version too.
def reset_default_version(self, secret_version, version_id):
    self.remove_version_stages_from_old_versions([*secret_version["version_stages"], "AWSPREVIOUS"])
    if self.default_version_id and self.default_version_id in self.versions:
        self.versions[self.default_version_id]["version_stages"].append("AWSPREVIOUS")
    self.versions[version_id] = secret_version
    self.default_version_id = version_id


sm.FakeSecret.reset_default_version = reset_default_version

# API/API_DescribeSecret.html, VersionIdsToStages: "A list of the versions of the secret that have staging labels
# attached." moto names the others as well.
sm.FakeSecret._form_version_ids_to_stages = lambda self: {
    version: list(it["version_stages"]) for version, it in self.versions.items() if it["version_stages"]
}

one_at_a_time(sm.SecretsManagerBackend)

# ---- IAM -------------------------------------------------------------------------------------------------------------

# An inactive access key is refused like an unknown one (seen only with INITIAL_NO_AUTH_ACTION_COUNT or /moto-api/reset-auth).
key_init = access_control.IAMUserAccessKey.__init__


def user_access_key(self, account_id, partition, access_key_id, headers):
    key_init(self, account_id, partition, access_key_id, headers)
    user = self.backend.get_user(self._owner_user_name)
    if any(k.access_key_id == access_key_id and k.status == "Inactive" for k in user.access_keys):
        raise access_control.CreateAccessKeyFailure(reason="InvalidId")


access_control.IAMUserAccessKey.__init__ = user_access_key


# https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsidentityandaccessmanagementiam.html: what is
# done with a user and its keys is allowed on the user's ARN. moto holds every policy against the resource "*".
resource_of_iam = IamResponse._determine_resource


def user_resource(self):
    data = self.data or {}
    name = (data.get("UserName") or [None])[0]
    key = (data.get("AccessKeyId") or [None])[0]
    if name is None and key is not None:
        known = self.backend.access_keys.get(key)
        name = known.user_name if known else None
    if name is None:
        return resource_of_iam(self)
    user = self.backend.users.get(name)
    return user.arn if user else f"arn:aws:iam::{self.current_account}:user/{name}"


IamResponse._determine_resource = user_resource


# GUIDE/auth-and-access_iam-policies.html: a permission is for a secret's ARN, which ends in a hyphen and six random
# characters, also with CreateSecret. moto holds every policy against the resource "*".
def resource_of(self):
    body = self.request_json if hasattr(self, "request_json") else {}
    body = body or json.loads(self.body or "{}")
    name = body.get("SecretId") or body.get("Name")
    if not name:
        return "*"
    secret = self.backend.secrets.get(name)
    return secret.arn if secret else f"arn:aws:secretsmanager:{self.region}:{self.current_account}:secret:{name}-NewOne"


SecretsManagerResponse._determine_resource = resource_of


# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html: "*" is any characters, "?"
# exactly one, and nothing else is special. moto takes the rest for a regular expression.
def match(pattern, string):
    return re.fullmatch(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), string)


access_control.IAMPolicyStatement._match = staticmethod(match)

# https://docs.aws.amazon.com/secretsmanager/latest/apireference/CommonErrors.html: a JSON service answers in JSON, with
# status 400. moto answers in XML with 403.
JSON_CODES = {
    "AccessDenied": "AccessDeniedException",
    "InvalidClientTokenId": "UnrecognizedClientException",
    "SignatureDoesNotMatch": "InvalidSignatureException",
}
authorize = BaseResponse._authenticate_and_authorize_normal_action


def authorize_in_json(self, resource="*"):
    try:
        authorize(self, resource)
    except Exception as error:
        code = JSON_CODES.get(getattr(error, "error_type", ""))
        if code is None or not self.headers.get("X-Amz-Target"):
            raise
        refusal = JsonRESTError(code, f"{error.message} on resource: {resource}")
        refusal.code = 400
        raise refusal from error


BaseResponse._authenticate_and_authorize_normal_action = authorize_in_json

# ---- Lambda ----------------------------------------------------------------------------------------------------------

# A RevisionId that is not the current one is refused, and each change makes a new one.
STALE = ("PreconditionFailedException", "The RevisionId provided does not match the latest RevisionId. Call the "
         "GetFunction/GetAlias API to retrieve the latest RevisionId")
update_alias = LambdaResponse.update_alias


def checked_update_alias(self):
    name, fn = self.path.rsplit("/", 2)[-1], self.path.rsplit("/")[-3]
    alias = self.backend.get_alias(name, fn)
    if (self.json_body or {}).get("RevisionId", alias.revision_id) != alias.revision_id:
        raise PreconditionFailedException(STALE[1])
    answer = update_alias(self)
    alias.revision_id = str(uuid.uuid4())
    return answer[0], answer[1], json.dumps(alias.to_json())


LambdaResponse.update_alias = checked_update_alias

update_configuration = lam.LambdaFunction.update_configuration
get_configuration = lam.LambdaFunction.get_configuration


def revision(fn):
    return fn.__dict__.setdefault("revision_of_rotation", str(uuid.uuid4()))


def checked_update_configuration(self, config_updates):
    if config_updates.pop("RevisionId", None) not in (None, revision(self)):
        raise PreconditionFailedException(STALE[1])
    self.__dict__["revision_of_rotation"] = str(uuid.uuid4())
    return update_configuration(self, config_updates)


def configuration(self, on_create=False):
    return {**get_configuration(self, on_create), "RevisionId": revision(self)}


lam.LambdaFunction.update_configuration = checked_update_configuration
lam.LambdaFunction.get_configuration = configuration

if __name__ == "__main__":
    main()
