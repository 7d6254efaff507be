{{ config(tags=['clinical']) }}

select
    cast("TreatPlanNum" as bigint) as treatment_plan_id,
    {{ foreign_key('"PatNum"') }} as patient_id,
    {{ clinic_date('"DateTP"') }} as planned_date,
    cast("TPStatus" as integer) as treatment_plan_status,
    treatment_plan_status.label as treatment_plan_status_label,
    cast("TPType" as integer) as treatment_plan_type,
    treatment_plan_type.label as treatment_plan_type_label,
    {{ foreign_key('"UserNumPresenter"') }} as presenter_id,
    {{ foreign_key('"ResponsParty"') }} as responsible_party_id,
    coalesce("Signature", '') <> '' as is_signed,
    {{ clinic_timestamp('"DateTSigned"') }} as signed_at,
    {{ clinic_date('"SecDateEntry"') }} as entered_date,
    "SecDateTEdit" as updated_at,
    "_loaded_at" as loaded_at
from {{ source('opendental', 'treatplan') }}
{{ labels('treatplan', treatment_plan_status='"TPStatus"', treatment_plan_type='"TPType"') }}
