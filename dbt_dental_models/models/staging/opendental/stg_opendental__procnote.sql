{{ config(tags=['clinical']) }}

select
    cast("ProcNoteNum" as bigint) as procedure_note_id,
    {{ foreign_key('"PatNum"') }} as patient_id,
    {{ foreign_key('"ProcNum"') }} as procedure_id,
    {{ foreign_key('"UserNum"') }} as user_id,
    {{ clinic_timestamp('"EntryDateTime"') }} as entered_at,
    coalesce("Note", '') <> '' as has_note,
    coalesce("Signature", '') <> '' as is_signed,
    "_loaded_at" as loaded_at
from {{ source('opendental', 'procnote') }}
