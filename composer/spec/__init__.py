"""What the machine is asked to do: small general instructions as frozen values, and their JSON form.

Written by `lowering`, carried out by `runtime`, kept by `store`. Nothing here knows a Compose key.
"""
